/**
 * Whether orders can be decided now: a decision on a canary in every shard, at most one a second.
 *
 * @module
 */
import type { World } from "../runtime/world.ts";
import type { Command } from "../domain/command.ts";
import type { Batcher } from "./batcher.ts";
import type { StockStore } from "./store.ts";

/** Whether orders can be decided now, and what is missing or promised less. */
export interface Readiness {
  /** True when nothing is missing; a promise that is off does not make it false. */
  readonly ready: boolean;
  /** Everything that is not ready, e.g. `shard 0: unarmed`. Empty when ready. */
  readonly missing: readonly string[];
  /** Guarantees that this deployment does not keep, as text. */
  readonly guaranteesOff: readonly string[];
  /** When the store was asked, milliseconds since 1970. */
  readonly checkedAtMs: number;
}

/** A sale of a SKU that no one can make, as no id may hold a control character: read, refused, not written. */
const canary: Command = {
  kind: "deduct",
  orderId: "\u0002canary",
  userId: "\u0002canary",
  lines: [{ sku: "\u0002canary", amount: 1 }],
  hasToken: true,
  holdMs: 0,
  actor: "",
  traceparent: "",
};

/** How long an answer about the readiness is given again. */
const readinessMs = 1000;

/** Promises that a process does not keep, and how long it waits for the store. */
interface ReadinessOptions {
  readonly guaranteesOff: () => readonly string[];
  readonly requestTimeoutMs: number;
}

/** A probe of all shards. */
interface Probe {
  readonly answer: Promise<Readiness>;
  /** When it began, monotonic. */
  readonly atMs: number;
  isOver: boolean;
}

/** Asks every shard, and gives the answer again for a second: any client may ask, and a probe costs a call a shard. */
export class ReadinessProbe {
  readonly #batchers: readonly Batcher[];
  readonly #store: StockStore;
  readonly #world: World;
  readonly #options: ReadinessOptions;
  #last: Probe | undefined;

  /** Asks nothing yet. `batchers`: one a shard, in their order. */
  constructor(batchers: readonly Batcher[], store: StockStore, world: World, options: ReadinessOptions) {
    this.#batchers = batchers;
    this.#store = store;
    this.#world = world;
    this.#options = options;
  }

  /** The answer of the probe that runs, or began less than a second ago; else of a new one. */
  ask(): Promise<Readiness> {
    const nowMs = this.#world.elapsedMs();
    const last = this.#last;
    if (last && (!last.isOver || nowMs - last.atMs < readinessMs)) return last.answer;
    const probe: Probe = { answer: this.#ask(), atMs: nowMs, isOver: false };
    const end = () => void (probe.isOver = true);
    probe.answer.then(end, end);
    this.#last = probe;
    return probe.answer;
  }

  /** A shard that decides the canary, with any outcome, is ready. */
  async #ask(): Promise<Readiness> {
    const checkedAtMs = this.#world.now();
    const answers = await Promise.all(this.#batchers.map((batcher) => batcher.probe(canary)));
    const missing = answers.flatMap((answer, shard) => answer ? [`shard ${shard}: ${answer}`] : []);
    // A shard that has not answered would be waited for again.
    const asked = answers.flatMap((answer, shard) => answer ? [] : [shard]);
    const noted = await Promise.all(asked.map((shard) => this.#guaranteesOff(shard)));
    const guaranteesOff = [...new Set([...this.#options.guaranteesOff(), ...noted.flat()])];
    return { ready: missing.length === 0, missing, guaranteesOff, checkedAtMs };
  }

  /** What the worker noted; nothing when that cannot be read in time. */
  #guaranteesOff(shard: number): Promise<readonly string[]> {
    return new Promise((resolve) => {
      const cancel = this.#world.after(this.#options.requestTimeoutMs, () => resolve([]));
      this.#store.guaranteesOff(shard).catch(() => []).then(resolve).finally(cancel);
    });
  }
}
