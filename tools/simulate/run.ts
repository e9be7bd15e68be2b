/**
 * One run: the system, its clients and its faults, from a seed.
 *
 * @module
 */
import { Clients } from "./clients.ts";
import { cell } from "./coverage.ts";
import { type Fault, faultsEndMs } from "./faults.ts";
import { brokenInvariant } from "./invariants.ts";
import { SimulatedLedger } from "./ledger.ts";
import { statesOf } from "./look.ts";
import { Losses } from "./losses.ts";
import { Network } from "./network.ts";
import { operate } from "./operator.ts";
import type { Plant } from "./plants.ts";
import { type Api, runWorker, type Site, startApi } from "./processes.ts";
import { Chance, type Process, Scheduler } from "./scheduler.ts";
import { type Settings, settingsOf } from "./settings.ts";
import { buy, keepStock } from "./shoppers.ts";
import { SimulatedStore } from "./store.ts";
import { strike } from "./strike.ts";
import { SimulatedTopic } from "./topic.ts";

/** What a run found. */
export interface RunResult {
  /** The first invariant that did not hold; undefined when all did. */
  readonly broken: string | undefined;
  readonly steps: number;
  readonly accepted: number;
  readonly lost: number;
  readonly trace: readonly string[];
  /** What must happen sometimes, and how often it did. */
  readonly happened: ReadonlyMap<string, number>;
  /** Which faults met which states. */
  readonly cells: ReadonlyMap<string, number>;
}

/** How to run. */
export interface RunOptions {
  readonly seed: number;
  readonly faults: readonly Fault[];
  readonly plant?: Plant | undefined;
  readonly isTraced?: boolean;
}

/** When faults have stopped, everything must have settled within this. */
const settledWithinMs = 60_000;

/** A run, as its faults and its operator see it. */
export class Run {
  readonly scheduler: Scheduler;
  readonly network: Network;
  readonly settings: Settings;
  readonly site: Site;
  readonly clients: Clients;
  readonly #chance: Chance;
  readonly #apis: { inventory: Api; process: Process }[] = [];
  readonly #workers: Process[] = [];
  readonly losses: Losses;
  /** Why a shard is not armed, as its worker says. */
  readonly refusals = new Map<number, string>();
  readonly #epochs = new Set<string>();
  readonly #happened = new Map<string, number>();
  readonly #cells = new Map<string, number>();
  clockStepMs = -1;
  /** The last time that keys were put back, and sales may be made twice until the next arming. */
  #putBackMs = -1;
  doubledUntilMs = 0;
  #broken: string | undefined;

  constructor({ seed, plant, isTraced = false }: RunOptions) {
    this.#chance = new Chance(seed, 3);
    this.settings = settingsOf(seed);
    const scheduler = this.scheduler = new Scheduler(seed, isTraced);
    const network = this.network = new Network(scheduler, new Chance(seed, 4));
    const { settings } = this;
    const { shards, limits, readMax, trimMargin } = settings;
    const broken = (what: string) => this.broken(what);
    const watch = {
      broken,
      armed: (shard: number, epoch: number) => {
        if (this.#epochs.has(`${shard} ${epoch}`)) broken(`epoch ${epoch} of ${shard} was issued twice`);
        this.#epochs.add(`${shard} ${epoch}`);
      },
      overtaken: (what: string) => this.happened(what),
      doubtful: (shard: number, name: string) => {
        this.#putBackMs = scheduler.nowMs;
        this.losses.doubt(shard, name);
      },
    };
    const stores = Array.from({ length: shards }, (_, shard) => {
      const chance = new Chance(seed, 100 + shard);
      return new SimulatedStore({ shard, scheduler, chance, limits, readMax, trimMargin, plant, watch });
    });
    const ledger = new SimulatedLedger(scheduler, network, plant, shards);
    this.losses = new Losses(ledger, limits.idempotencyWindowMs);
    ledger.onSilent = () => this.happened("a session was ended by the server");
    const topic = settings.hasTopic ? new SimulatedTopic(scheduler, new Chance(seed, 8), shards) : undefined;
    const onRelay: Site["onRelay"] = ({ kind }) => this.happened(`relay: ${kind}`);
    this.site = { network, settings, stores, ledger, topic, plant, onRelay, logger: this.#logger() };
    this.clients = new Clients({
      ...{ scheduler, settings, broken, chance: new Chance(seed, 6) },
      saysFirst: plant === "cache-answers-retry",
      isDoubled: () => this.doubledUntilMs > scheduler.nowMs,
      api: () => this.#apis[this.#chance.between(0, this.#apis.length - 1)],
      isExcused: (accepted) =>
        accepted.atMs <= Math.max(this.clockStepMs, this.#putBackMs) || this.losses.isLost(accepted),
      happened: (what) => this.happened(what),
    });
  }

  /** The workers' log: their messages are among what must happen sometimes. */
  #logger(): Site["logger"] {
    const line = (message: string, fields: Readonly<Record<string, unknown>> = {}) => {
      const { shard, rebuilt } = fields;
      this.scheduler.note(`log ${message} ${JSON.stringify(fields)}`);
      if (typeof shard !== "number") return;
      if (message === "shard refused") this.refusals.set(shard, String(fields.reason));
      if (message === "shard armed") this.refusals.delete(shard);
      this.happened(`worker: ${message}${typeof rebuilt === "string" && rebuilt ? ", rebuilt" : ""}`);
    };
    return { debug: line, info: line, warn: line, error: line };
  }

  broken(what: string): void {
    this.#broken ??= what;
  }

  happened(what: string): void {
    this.#happened.set(what, 1 + (this.#happened.get(what) ?? 0));
  }

  start(faults: readonly Fault[]): void {
    for (let i = 0; i < 2; i++) {
      this.#start("api");
      this.#start("worker");
    }
    const { clients, scheduler } = this;
    void clients.run(() => clients.stockUp());
    const mostMs = this.settings.shards === 1 ? 400 : 300;
    for (let atMs = 500; atMs < faultsEndMs + 2000; atMs += this.#chance.between(40, mostMs)) {
      scheduler.after(atMs, undefined, () => void clients.run(() => buy(clients)));
    }
    for (let atMs = 2000; atMs < faultsEndMs; atMs += this.#chance.between(200, 2500)) {
      scheduler.after(atMs, undefined, () => void clients.run(() => keepStock(clients)));
    }
    for (const fault of faults) {
      scheduler.after(fault.atMs, undefined, () => {
        scheduler.note(`fault ${fault.kind}`);
        for (const state of statesOf(this)) {
          const name = cell(fault.kind, state);
          this.#cells.set(name, 1 + (this.#cells.get(name) ?? 0));
        }
        strike(this, fault);
      });
    }
    // A hold lasts by the store's clock: it is set right, so that holds end within the bound.
    scheduler.after(faultsEndMs, undefined, () => {
      for (const store of this.site.stores) store.skewMs = 0;
    });
    operate(this);
  }

  /** The processes of a kind that run. */
  processes(kind: "api" | "worker"): Process[] {
    return kind === "api" ? this.#apis.map(({ process }) => process) : this.#workers;
  }

  #start(kind: "api" | "worker"): void {
    const process = this.scheduler.process(`${kind}-${this.scheduler.uuid().slice(-4)}`);
    if (kind === "api") return void this.#apis.push({ process, inventory: startApi(process, this.site) });
    this.#workers.push(process);
    runWorker(process, this.site);
  }

  /** Ends a process; another one starts soon. Its sessions end with it, or when they have been silent for long enough. */
  crash(kind: "api" | "worker", process: Process | undefined, dice: number): void {
    if (!process?.isAlive) return;
    process.isAlive = false;
    const api = this.#apis.findIndex((api) => api.process === process);
    if (api >= 0) this.#apis.splice(api, 1);
    const worker = this.#workers.indexOf(process);
    if (worker >= 0) this.#workers.splice(worker, 1);
    if (dice < 0.5) this.site.ledger.endAll(process);
    this.scheduler.after(Math.floor(dice * 2000), undefined, () => this.#start(kind));
  }

  /** The ledger fails over to a standby that lacks the commits of the last `ms`. */
  failBack(ms: number): void {
    const { ledger, stores } = this.site;
    ledger.keep();
    this.scheduler.after(ms, undefined, () => {
      this.losses.ledgerWentBack(stores);
      this.#epochs.clear(); // with the store flushed too, no server knows the last epoch
      void ledger.failBack();
    });
  }

  /** Why a run has not settled; undefined when it has. */
  #unsettled(): string | undefined {
    const { stores, ledger } = this.site;
    if (this.clients.open > 0) return `${this.clients.open} clients wait`;
    for (const { shard, state } of stores) {
      if (!state.isArmed) return `store-${shard} is not armed: ${this.refusals.get(shard)}`;
      const [row] = ledger.query<{ seq: number }>("select seq from log_cursor where shard = ?1", [shard]);
      if (row?.seq !== state.shard.seq) {
        return `store-${shard} has ${state.shard.seq}, the ledger ${row?.seq}`;
      }
      // A hold that was made before the clock was set right may last 10 minutes longer.
      const isHeld = this.clockStepMs < 0 && state.shard.stock().some(({ reserved }) => reserved > 0);
      if (isHeld) {
        return `store-${shard} has holds: ${JSON.stringify(state.shard.stock())}`;
      }
    }
    const [open] = ledger.query<{ n: number }>(
      "select count(*) as n from compensations where done_at is null",
    );
    if (open?.n !== 0) return `${open?.n} compensations are open`;
    const [prepared] = ledger.query<{ n: number }>(
      "select count(*) as n from order_lines where kind = 'prepare' and state = 'held'",
    );
    return prepared?.n === 0 ? undefined : `${prepared?.n} lines are prepared and not decided`;
  }

  async play(): Promise<string | undefined> {
    const { scheduler } = this;
    let checkMs = faultsEndMs + 12_000;
    while (this.#broken === undefined && await scheduler.step()) {
      if (scheduler.nowMs < checkMs) continue;
      checkMs = scheduler.nowMs + 500;
      const why = this.#unsettled();
      if (why === undefined) return this.#broken ?? await this.#brokenAtEnd();
      if (scheduler.nowMs > faultsEndMs + settledWithinMs) {
        return `not settled ${settledWithinMs} ms after the last fault: ${why}`;
      }
    }
    return this.#broken;
  }

  #brokenAtEnd(): Promise<string | undefined> {
    const { stores, ledger } = this.site;
    const isForgetful = this.clockStepMs >= 0 || this.#putBackMs >= 0 || this.losses.isAny;
    const { clients, losses } = this;
    const isClockStepped = this.clockStepMs >= 0;
    return brokenInvariant({ stores, ledger, clients, losses, isForgetful, isClockStepped });
  }

  result(broken: string | undefined): RunResult {
    const { scheduler, clients: { accepted } } = this;
    return {
      broken,
      steps: scheduler.steps,
      accepted: accepted.length,
      lost: this.losses.among(accepted),
      trace: scheduler.trace,
      happened: this.#happened,
      cells: this.#cells,
    };
  }
}

/** Runs a seed to its end, or to the first invariant that does not hold. */
export async function run(options: RunOptions): Promise<RunResult> {
  const one = new Run(options);
  try {
    const isBack = ({ kind }: Fault) => kind === "ledger-goes-back" || kind === "ledger-standby";
    await one.site.ledger.prepare(options.faults.filter(isBack).length);
    one.start(options.faults);
    return one.result(await one.play());
  } finally {
    one.site.ledger.close();
  }
}
