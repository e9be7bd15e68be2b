/**
 * The inventory as the HTTP edge sees it: each command goes to its shard's lane.
 *
 * @module
 */
import type { World } from "../world.ts";
import { type Command, type Lookup, routingSku } from "./command.ts";
import { Lane, type LaneOptions } from "./lane.ts";
import type { Outcome, RememberedLine } from "./outcome.ts";
import { Router } from "./route.ts";
import type { StockStore } from "./store.ts";

/** Whether orders can be decided now, and what is missing or promised less. */
export interface Readiness {
  readonly ready: boolean;
  /** What is not ready, in words, e.g. `shard 0: unarmed`. Empty when ready. */
  readonly missing: readonly string[];
  /** Promises that this deployment does not keep, in words. */
  readonly promisesOff: readonly string[];
}

/** Decides commands; every answer is a value, a rejection means broken code. */
export interface Inventory {
  /** Decides one command. Settles at the latest when its deadline has passed. */
  submit(command: Command): Promise<Outcome>;
  /** Runs the real decision on a canary in every shard; writes nothing. */
  readiness(): Promise<Readiness>;
  /** The shard that owns a SKU. */
  shardOf(sku: string): number;
}

/** Bounds and promises of a process. */
export interface ServiceOptions extends LaneOptions {
  readonly shards: number;
  /** Commands on their way in this process; beyond it `overloaded`, at once. */
  readonly queueMax: number;
  readonly promisesOff: readonly string[];
}

/** A sale of a SKU that no one can make, as no id may hold a control character: read, refused, not written. */
const canary: Command = {
  kind: "deduct",
  orderId: "\u0002canary",
  userId: "\u0002canary",
  lines: [{ sku: "\u0002canary", amount: 1 }],
  fingerprint: "canary",
  actor: "",
  traceparent: "",
};

/** Routes commands to lanes. */
export class InventoryService implements Inventory {
  readonly #router: Router;
  readonly #lanes: Lane[];
  readonly #options: ServiceOptions;
  #pending = 0;
  #idle: (() => void) | undefined;

  constructor(store: StockStore, world: World, options: ServiceOptions) {
    this.#router = new Router(options.shards);
    this.#lanes = this.#router.all().map((shard) => new Lane(shard, store, world, options));
    this.#options = options;
  }

  /** @inheritdoc */
  async submit(command: Command): Promise<Outcome> {
    if (this.#pending >= this.#options.queueMax) return { kind: "overloaded" };
    this.#pending++;
    try {
      if (command.kind === "lookup") return await this.#lookup(command);
      return await this.#lane(this.shardOf(routingSku(command) ?? "")).submit(command);
    } finally {
      this.#pending--;
      if (this.#pending === 0) this.#idle?.();
    }
  }

  /** @inheritdoc */
  shardOf(sku: string): number {
    return this.#router.route(sku);
  }

  /** @inheritdoc */
  async readiness(): Promise<Readiness> {
    const answers = await Promise.all(this.#lanes.map((lane) => lane.probe(canary)));
    const missing = answers.flatMap((answer, shard) => answer ? [`shard ${shard}: ${answer}`] : []);
    return { ready: missing.length === 0, missing, promisesOff: this.#options.promisesOff };
  }

  /** Resolves when nothing is on its way: within the request timeout, if nothing new arrives. */
  async drained(): Promise<void> {
    if (this.#pending > 0) await new Promise<void>((resolve) => this.#idle = resolve);
    for (const lane of this.#lanes) lane.close();
  }

  /** An order's lines lie in the shards of their SKUs, so all are asked. */
  async #lookup(command: Lookup): Promise<Outcome> {
    const outcomes = await Promise.all(this.#lanes.map((lane) => lane.submit(command)));
    const lines: RememberedLine[] = [];
    for (const outcome of outcomes) {
      if (outcome.kind !== "order") return outcome;
      lines.push(...outcome.lines);
    }
    return { kind: "order", lines };
  }

  #lane(shard: number): Lane {
    const lane = this.#lanes[shard];
    if (!lane) throw new RangeError(`Cannot use shard ${shard} as there are ${this.#lanes.length}`);
    return lane;
  }
}
