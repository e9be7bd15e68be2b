/**
 * The server of one shard's store: its keys, its disk, its clock and what can happen to them. Every write is in a journal,
 * so an older state is the replay of fewer writes.
 *
 * @module
 */
import type { MemoryShard } from "../../src/decide/memory/decide.ts";
import { StoreError } from "../../src/domain/errors.ts";
import type { LogEntry } from "../../src/domain/event.ts";
import type { DecisionLimits } from "../../src/domain/limits.ts";
import type { Plant } from "./plants.ts";
import type { Chance, Scheduler } from "./scheduler.ts";
import { emptySlot, type Operation, type Slot } from "./slot.ts";

/** What the run hears of a store. */
export interface StoreWatch {
  /** An invariant does not hold. */
  broken(what: string): void;
  /** The shard was armed under an epoch. */
  armed(shard: number, epoch: number): void;
  /** A step of a worker was refused, as something changed. */
  overtaken(what: string): void;
  /** The store decided an event from keys that were put back: it may be lost. */
  doubtful(shard: number, name: string): void;
}

/** How a store is made. */
export interface StoreOptions {
  readonly shard: number;
  readonly scheduler: Scheduler;
  readonly chance: Chance;
  readonly limits: DecisionLimits;
  readonly plant: Plant | undefined;
  readonly watch: StoreWatch;
  /** Entries that one read returns at most: entries may be huge. */
  readonly readMax: number;
  /** Events that trimming leaves before the last applied one. */
  readonly trimMargin: number;
}

const writeErrors = ["OOM", "MISCONF", "NOREPLICAS", "READONLY"] as const;

/** A server. Its scripts are in `store.ts`. */
export class StoreServer {
  readonly shard: number;
  readonly options: StoreOptions;
  own: Slot;
  readonly #foreign: Slot;
  journal: Operation[] = [];
  /** Writes that are on the disk and on every replica that counts. */
  #durable = 0;
  #generation = 0;
  /** When it was empty last: a replay of the journal begins then. */
  #emptiedMs: number;
  instance: string;
  /** The instance that a worker armed last. */
  verified = "";
  isPutBack = false;
  /** What happens when a restore has written this many more chunks. */
  ambush: { left: number; readonly strike: () => void } | undefined;
  #refusal = { code: "", untilMs: 0 };
  /** Its clock minus the date, ms. */
  skewMs = 0;
  downUntilMs = 0;
  slowUntilMs = 0;
  /** Its address leads to the store of another deployment. */
  foreignUntilMs = 0;
  /** Every event that was ever issued, as `<id> <number>`, and when. */
  readonly issued = new Map<string, { readonly seq: number; readonly atMs: number }>();

  constructor(options: StoreOptions) {
    this.shard = options.shard;
    this.options = options;
    this.instance = options.scheduler.uuid();
    this.#emptiedMs = this.now();
    this.own = emptySlot(options.limits, this.#emptiedMs);
    this.#foreign = emptySlot(options.limits, this.#emptiedMs);
    Object.assign(this.#foreign, { deployment: "another", shards: 1, armed: "another", epoch: 1 });
  }

  now(): number {
    return this.options.scheduler.dateMs + this.skewMs;
  }

  get #isForeign(): boolean {
    return this.foreignUntilMs > this.options.scheduler.nowMs;
  }

  /** The keys that a call finds. */
  read(): Slot {
    if (this.downUntilMs > this.options.scheduler.nowMs) {
      throw new StoreError("connection_lost", "unknown", "the store is down");
    }
    return this.#isForeign ? this.#foreign : this.own;
  }

  write(operation: Operation | undefined): void {
    if (!operation) return;
    if (this.#isForeign) this.options.watch.broken("a store of another deployment was written to");
    this.journal.push(operation);
    operation(this.own);
  }

  /** A script that may write is refused as a whole; `allow-oom` is one of its flags. */
  mayWrite(flag?: "allow-oom"): void {
    const { code, untilMs } = this.#refusal;
    if (untilMs <= this.options.scheduler.nowMs || flag === "allow-oom" && code === "OOM") return;
    throw new StoreError(code, "none", `${code} the server refuses writes`);
  }

  get id(): string {
    return this.#isForeign ? "another" : this.instance;
  }

  /** Resolves when all writes until now are on the disk; rejects when the server restarts before. */
  onDisk(): Promise<void> {
    const { scheduler, chance } = this.options;
    const [until, generation] = [this.journal.length, this.#generation];
    const ms = chance.between(0, this.slowUntilMs > scheduler.nowMs ? 600 : 5);
    return new Promise((resolve, reject) => {
      scheduler.after(ms, undefined, () => {
        if (generation !== this.#generation) {
          return reject(new StoreError("connection_lost", "unknown", "restart"));
        }
        this.#durable = Math.max(this.#durable, Math.min(until, this.journal.length));
        resolve();
      });
    });
  }

  /** Restarts with what was on the disk, and by chance some of the rest. */
  restart(dice: number): void {
    const { scheduler, plant } = this.options;
    const armed = this.own.armed === this.instance;
    this.#replay(this.#durable + Math.floor((this.journal.length - this.#durable) * dice * 0.9));
    if (armed && plant === "arming-trusts-script-cache") this.own.armed = this.instance;
    this.downUntilMs = scheduler.nowMs + Math.floor(dice * 400);
  }

  /** Another server takes over, which lacks the last writes: a stale replica, or a copy of yesterday. */
  goBack(share: number): void {
    this.#replay(Math.floor(this.journal.length * (1 - share)));
  }

  /** The keys of an older copy are put back, and the server is the same. */
  putBack(share: number): void {
    this.#putBackTo(Math.floor(this.journal.length * (1 - share)));
  }

  /** The keys of a copy are put back that lacks the last writes, and the server is the same. */
  putBackBy(writes: number): void {
    this.#putBackTo(Math.max(0, this.journal.length - writes));
  }

  #putBackTo(kept: number): void {
    const [instance, generation] = [this.instance, this.#generation];
    this.#replay(kept);
    [this.instance, this.#generation, this.isPutBack] = [instance, generation, true];
  }

  /** Loses everything. */
  flush(): void {
    this.#emptiedMs = this.now();
    this.#replay(0);
  }

  /** Refuses writes. */
  refuse(dice: number, untilMs: number): void {
    this.#refusal = { code: writeErrors[Math.floor(dice * 97) % writeErrors.length] ?? "OOM", untilMs };
  }

  #replay(kept: number): void {
    const { scheduler, limits } = this.options;
    scheduler.note(`store-${this.shard} has ${kept} of ${this.journal.length} writes`);
    this.journal = this.journal.slice(0, kept);
    this.#generation++;
    this.#durable = kept;
    this.instance = scheduler.uuid();
    this.own = emptySlot(limits, this.#emptiedMs);
    try {
      for (const operation of this.journal) operation(this.own);
    } catch (error) {
      this.options.watch.broken(`the writes of store-${this.shard} cannot be repeated: ${error}`);
    }
  }

  /** Stock and log as they are, for invariants. */
  get state(): { shard: MemoryShard; log: readonly LogEntry[]; isArmed: boolean; isRestoring: boolean } {
    const { shard, log, armed, token } = this.own;
    return { shard, log, isArmed: armed === this.instance, isRestoring: token !== "" };
  }
}
