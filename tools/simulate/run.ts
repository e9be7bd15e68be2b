/**
 * One run: the system, its clients and its faults, from a seed.
 *
 * @module
 */
import type { Inventory } from "../../src/decide/service.ts";
import { type AcceptedOrder, Clients } from "./clients.ts";
import { type Fault, faultsEndMs } from "./faults.ts";
import { brokenInvariant } from "./invariants.ts";
import { SimulatedLedger } from "./ledger.ts";
import { Network } from "./network.ts";
import type { Plant } from "./plants.ts";
import { runWorker, type Site, startApi } from "./processes.ts";
import { Chance, type Process, Scheduler } from "./scheduler.ts";
import { SimulatedStore } from "./store.ts";

/** What a run found. */
export interface RunResult {
  /** The first invariant that did not hold; undefined when all did. */
  readonly broken: string | undefined;
  readonly steps: number;
  readonly accepted: number;
  readonly lost: number;
  readonly trace: readonly string[];
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

class Run {
  readonly scheduler: Scheduler;
  readonly network: Network;
  readonly site: Site;
  readonly clients: Clients;
  readonly #chance: Chance;
  readonly #apis: { inventory: Inventory; process: Process }[] = [];
  readonly #workers: Process[] = [];
  readonly #lost = new Set<string>();
  readonly #epochs = new Set<number>();
  #clockStepMs = -1;
  #doubledUntilMs = 0;
  #hasLoss = false;
  /** The operator would copy the store into the ledger, which is not modelled: the run ends. */
  #hasCorrections = false;
  #broken: string | undefined;
  #acceptedLoss = "";

  constructor({ seed, plant, isTraced = false }: RunOptions) {
    this.#chance = new Chance(seed, 3);
    this.scheduler = new Scheduler(seed, isTraced);
    this.network = new Network(this.scheduler, new Chance(seed, 4));
    const broken = (what: string) => this.broken(what);
    const store = new SimulatedStore(this.scheduler, new Chance(seed, 5), plant, {
      broken,
      armed: (epoch) => {
        if (this.#epochs.has(epoch)) broken(`epoch ${epoch} was issued twice`);
        this.#epochs.add(epoch);
      },
    });
    const ledger = new SimulatedLedger(this.scheduler, this.network, plant);
    this.site = { network: this.network, store, ledger, plant };
    this.clients = new Clients({
      ...{
        scheduler: this.scheduler,
        chance: new Chance(seed, 6),
        broken,
        saysFirst: plant === "cache-answers-retry",
      },
      isDoubled: () => this.#doubledUntilMs > this.scheduler.nowMs,
      api: () => this.#apis[this.#chance.between(0, this.#apis.length - 1)],
      isExcused: (order) => order.atMs <= this.#clockStepMs || this.isLost(order),
    });
  }

  broken(what: string): void {
    this.#broken ??= what;
  }

  isLost({ orderId, seq }: AcceptedOrder): boolean {
    return this.#lost.has(`${orderId} ${seq}`);
  }

  start(faults: readonly Fault[]): void {
    for (let i = 0; i < 2; i++) {
      this.#startApi();
      this.#startWorker();
    }
    void this.clients.stockUp();
    for (let atMs = 500; atMs < faultsEndMs + 2000; atMs += this.#chance.between(40, 400)) {
      this.scheduler.after(atMs, undefined, () => void this.clients.buy());
    }
    for (const fault of faults) this.scheduler.after(fault.atMs, undefined, () => this.#strike(fault));
    // A hold lasts by the store's clock: it is set right, so that holds end within the bound.
    this.scheduler.after(faultsEndMs, undefined, () => this.site.store.skewMs = 0);
    this.#operate();
  }

  #startApi(): void {
    const process = this.scheduler.process(`api-${this.scheduler.uuid().slice(-4)}`);
    this.#apis.push({ process, inventory: startApi(process, this.site) });
  }

  #startWorker(): void {
    const process = this.scheduler.process(`worker-${this.scheduler.uuid().slice(-4)}`);
    this.#workers.push(process);
    void runWorker(process, this.site);
  }

  #strike({ kind, dice }: Fault): void {
    const { scheduler, network } = this;
    const { store, ledger } = this.site;
    const forMs = (most: number) => scheduler.nowMs + Math.floor(dice * most);
    scheduler.note(`fault ${kind}`);
    switch (kind) {
      case "lose-request":
      case "lose-reply":
      case "delay":
        return void network.pending.push(kind);
      case "double":
        return void (this.#doubledUntilMs = forMs(500));
      case "api-crash":
        return this.#crash(this.#apis.map(({ process }) => process), dice, () => this.#startApi());
      case "worker-crash":
        return this.#crash(this.#workers, dice, () => this.#startWorker());
      case "worker-freeze": {
        const worker = this.#workers[Math.floor(dice * 7) % this.#workers.length];
        return void (worker && (worker.frozenUntilMs = forMs(8000)));
      }
      case "store-restart":
        return store.restart(dice);
      case "store-slow-disk":
        return void (store.slowUntilMs = forMs(2000));
      case "store-flush":
        this.#lose();
        return store.flush();
      case "store-clock":
        this.#clockStepMs = Infinity;
        return void (store.skewMs += dice < 0.5 ? -600_000 : 600_000);
      case "ledger-refuses":
        return void (ledger.refusesUntilMs = forMs(3000));
      case "ledger-goes-back":
        return this.#failBack(dice);
    }
  }

  #crash(processes: Process[], dice: number, start: () => void): void {
    const at = Math.floor(dice * 7) % Math.max(1, processes.length);
    const process = processes[at];
    if (!process) return;
    process.isAlive = false;
    const isDead = (other: Process) => other === process;
    const api = this.#apis.findIndex((api) => isDead(api.process));
    if (api >= 0) this.#apis.splice(api, 1);
    const worker = this.#workers.findIndex(isDead);
    if (worker >= 0) this.#workers.splice(worker, 1);
    this.scheduler.after(Math.floor(dice * 2000), undefined, start);
  }

  #failBack(dice: number): void {
    const { ledger } = this.site;
    ledger.keep();
    this.scheduler.after(Math.floor(dice * 2000), undefined, () => {
      this.#lose("ledger");
      this.#epochs.clear(); // with the store flushed too, no server knows the last epoch
      void ledger.failBack();
    });
  }

  /** The orders that only the server has that loses them now. */
  #lose(by?: "ledger"): void {
    this.#hasLoss = true;
    const { store, ledger } = this.site;
    const inLog = store.state.log.flatMap(({ events }) => events);
    const applied = new Set(ledger.query<{ seq: number }>("select seq from movements").map(({ seq }) => seq));
    const kept = new Set(inLog.map(({ seq }) => seq));
    for (const [name, seq] of store.issued) {
      if (by === "ledger" ? !kept.has(seq) : !applied.has(seq)) this.#lost.add(name);
    }
  }

  /** The operator accepts a loss that the worker reports. */
  #operate(): void {
    this.scheduler.after(2000, undefined, () => {
      const found = /\d+ numbers, (\d+) to (\d+)/.exec(this.site.store.refusal);
      const [, first, last] = found ?? [];
      if (first && last && this.#acceptedLoss !== `${first} ${last}`) {
        this.#acceptedLoss = `${first} ${last}`;
        if (!this.#hasLoss) {
          this.broken(`an operator is needed, and no server lost data: ${this.site.store.refusal}`);
        }
        const source = this.site.store.refusal.includes("copies the store")
          ? "store" as const
          : "ledger" as const;
        const loss = {
          fromSeq: Number(first) - 1,
          toSeq: Number(last),
          source,
          actor: "operator",
          reason: "loss",
        };
        this.#hasCorrections ||= source === "store";
        for (const [name, seq] of this.site.store.issued) {
          if (seq >= Number(first) && seq <= Number(last)) this.#lost.add(name);
        }
        void this.site.ledger.direct().acceptLoss(0, loss);
      }
      this.#operate();
    });
  }

  get #isSettled(): boolean {
    const { store, ledger } = this.site;
    if (!store.state.isArmed || this.clients.open > 0) return false;
    const [row] = ledger.query<{ seq: number }>("select seq from log_cursor");
    const [open] = ledger.query<{ n: number }>(
      "select count(*) as n from compensations where done_at is null",
    );
    // A hold that was made before the clock was set right may last 10 minutes longer.
    const isHeld = this.#clockStepMs < 0 && store.state.shard.stock().some(({ reserved }) => reserved > 0);
    return row?.seq === store.state.shard.seq && open?.n === 0 && !isHeld;
  }

  async play(): Promise<string | undefined> {
    const { scheduler } = this;
    const { store, ledger } = this.site;
    let checkMs = faultsEndMs + 12_000;
    while (this.#broken === undefined && !this.#hasCorrections && await scheduler.step()) {
      if (scheduler.nowMs < checkMs) continue;
      checkMs = scheduler.nowMs + 500;
      if (this.#isSettled) {
        const broken = await brokenInvariant(
          store,
          ledger,
          this.clients.accepted,
          (order) => this.isLost(order),
        );
        return this.#broken ?? broken;
      }
      if (scheduler.nowMs > faultsEndMs + settledWithinMs) {
        const { isArmed, shard } = store.state;
        const [cursor] = ledger.query<{ seq: number }>("select seq from log_cursor");
        const [open] = ledger.query<{ n: number }>(
          "select count(*) as n from compensations where done_at is null",
        );
        return `not settled ${settledWithinMs} ms after the last fault: armed ${isArmed}, head ${shard.seq}, ` +
          `ledger ${cursor?.seq}, ${open?.n} compensations and ${this.clients.open} clients open; ` +
          `${JSON.stringify(shard.stock())} ${store.refusal}`;
      }
    }
    return this.#broken;
  }

  result(broken: string | undefined): RunResult {
    const { scheduler, clients } = this;
    const lost = clients.accepted.filter((order) => this.isLost(order)).length;
    return {
      broken,
      steps: scheduler.steps,
      accepted: clients.accepted.length,
      lost,
      trace: scheduler.trace,
    };
  }
}

/** Runs a seed to its end, or to the first invariant that does not hold. */
export async function run(options: RunOptions): Promise<RunResult> {
  const one = new Run(options);
  try {
    await one.site.ledger.prepare();
    one.start(options.faults);
    return one.result(await one.play());
  } finally {
    one.site.ledger.close();
  }
}
