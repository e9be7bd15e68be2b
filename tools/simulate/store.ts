/**
 * The store of one shard: decisions of `src/decide/memory/`, and around them what Redis and its scripts do. Every change
 * is an operation in a journal, so an older state is the replay of fewer operations.
 *
 * @module
 */
import { MemoryShard } from "../../src/decide/memory/decide.ts";
import { type AckResult, type Arming, RestoreOvertaken } from "../../src/decide/shard_control.ts";
import type { Nonce, RestoreStart, ShardStatus, ShardView } from "../../src/decide/shard_control.ts";
import type { BatchResult, Timed } from "../../src/decide/store.ts";
import { StoreError } from "../../src/domain/errors.ts";
import { comparePositions, type LogEntry, type Position } from "../../src/domain/event.ts";
import type { DecisionLimits } from "../../src/domain/limits.ts";
import type { Plant } from "./plants.ts";
import type { Chance, Scheduler } from "./scheduler.ts";

/** The limits of every run. The window is short, so that orders are forgotten within a run. */
export const limits: DecisionLimits = { userLimitMs: 0, idempotencyWindowMs: 4000, backlogMax: 100_000 };

interface Slot {
  shard: MemoryShard;
  deployment: string | null;
  shards: number;
  armed: string;
  epoch: number;
  epochSeen: number;
  token: string;
  nonce: string;
  nonceSeq: number;
  suspect: boolean;
  challenge: string;
  log: LogEntry[];
}

type Operation = (slot: Slot) => unknown;

/** What the run hears of the store. */
export interface StoreWatch {
  /** An invariant does not hold. */
  broken(what: string): void;
  /** The shard was armed under an epoch. */
  armed(epoch: number): void;
}

/** The server. Its methods run at once: the network delays calls and replies. */
export class SimulatedStore {
  #slot: Slot;
  #journal: Operation[] = [];
  /** Operations that are on the disk. */
  #durable = 0;
  #generation = 0;
  /** When it was empty last: a replay of the journal begins then. */
  #emptiedMs = 0;
  #instance: string;
  /** The instance that a worker armed last. */
  #verified = "";
  /** Its clock minus the date, ms. */
  skewMs = 0;
  downUntilMs = 0;
  slowUntilMs = 0;
  /** The published refusal; empty = none. */
  refusal = "";
  /** Every event that was ever issued, as `<id> <number>`. */
  readonly issued = new Map<string, number>();

  constructor(
    readonly scheduler: Scheduler,
    readonly chance: Chance,
    readonly plant: Plant | undefined,
    readonly watch: StoreWatch,
  ) {
    this.#instance = scheduler.uuid();
    this.#emptiedMs = this.#now();
    this.#slot = this.#empty();
  }

  #empty(): Slot {
    return {
      shard: new MemoryShard(limits, 0, this.#emptiedMs),
      deployment: null,
      ...{ shards: 0, armed: "", epoch: 0, epochSeen: 0, token: "", nonce: "", nonceSeq: 0 },
      ...{ suspect: false, challenge: "", log: [] },
    };
  }

  #now(): number {
    return this.scheduler.dateMs + this.skewMs;
  }

  #do<T>(operation: (slot: Slot) => T): T {
    if (this.downUntilMs > this.scheduler.nowMs) {
      throw new StoreError("connection_lost", "unknown", "the store is down");
    }
    this.#journal.push(operation);
    return operation(this.#slot);
  }

  /** Decides, then waits for the disk. `callerEpoch`: the epoch that the caller has seen. */
  async decide(batch: readonly Timed[], callerEpoch: { seen: number }): Promise<BatchResult> {
    const timeMs = this.#now();
    const slot = this.#slot;
    if (this.downUntilMs > this.scheduler.nowMs) throw new StoreError("connection_lost", "unknown", "down");
    if (slot.armed !== this.#instance) return { kind: "unarmed", timeMs };
    if (callerEpoch.seen > slot.epoch) {
      const { seen } = callerEpoch;
      this.#do((slot) => Object.assign(slot, { armed: "", epochSeen: Math.max(seen, slot.epochSeen) }));
      throw new StoreError("stale_server", "none", "the server is behind");
    }
    callerEpoch.seen = slot.epoch;
    if (this.#verified !== this.#instance) {
      this.watch.broken("a store decides that was not verified since it restarted");
    }
    const result = this.#decideNow(batch, timeMs);
    const bad = this.#slot.shard.stock().find(({ available, reserved }) => available < 0 || reserved < 0);
    if (bad) this.watch.broken(`'${bad.sku}' is below zero in the store`);
    if (batch.length > 0 && this.plant !== "answer-before-wait") await this.#onDisk();
    else void this.#onDisk().catch(() => {});
    return result;
  }

  #decideNow(batch: readonly Timed[], timeMs: number): BatchResult {
    let written: LogEntry | undefined;
    const append = (slot: Slot, entry: LogEntry) => slot.log.push(entry);
    const isLast = this.plant === "xadd-last";
    const result = this.#do((slot) => {
      const { outcomes, events, isMoreDue } = slot.shard.decide(batch, timeMs);
      if (this.plant === "hold-released-twice") giveBackAgain(slot, batch, outcomes, events, timeMs);
      if (events.length > 0) {
        written = { position: { epoch: slot.epoch, seq: slot.shard.seq }, events };
        if (!isLast) append(slot, written);
      }
      return { kind: "decided" as const, timeMs, head: slot.shard.seq, outcomes, isMoreDue };
    });
    const entry = written as LogEntry | undefined;
    for (const { id, seq } of entry?.events ?? []) this.issued.set(`${id} ${seq}`, seq);
    if (isLast && entry) this.#journal.push((slot) => append(slot, entry));
    if (isLast && entry) append(this.#slot, entry);
    return result;
  }

  /** Resolves when all operations until now are on the disk; rejects when the server restarts before. */
  #onDisk(): Promise<void> {
    const [until, generation] = [this.#journal.length, this.#generation];
    const ms = this.chance.between(0, this.slowUntilMs > this.scheduler.nowMs ? 600 : 5);
    return new Promise((resolve, reject) => {
      this.scheduler.after(ms, undefined, () => {
        if (generation !== this.#generation) {
          return reject(new StoreError("connection_lost", "unknown", "restart"));
        }
        this.#durable = Math.max(this.#durable, until);
        resolve();
      });
    });
  }

  /** Restarts with what was on the disk, and by chance some of the rest. */
  restart(dice: number): void {
    const armed = this.#slot.armed === this.#instance;
    const kept = this.#durable + Math.floor((this.#journal.length - this.#durable) * dice * 0.9);
    this.#journal = this.#journal.slice(0, kept);
    this.#begin();
    this.scheduler.note(`store restarts with ${kept} operations`);
    for (const operation of this.#journal) operation(this.#slot);
    if (armed && this.plant === "arming-trusts-script-cache") this.#slot.armed = this.#instance;
    this.downUntilMs = this.scheduler.nowMs + Math.floor(dice * 400);
  }

  /** Loses everything. */
  flush(): void {
    this.#journal = [];
    this.#emptiedMs = this.#now();
    this.#begin();
  }

  #begin(): void {
    this.#generation++;
    this.#durable = this.#journal.length;
    this.#instance = this.scheduler.uuid();
    this.#slot = this.#empty();
  }

  /** Stock and log as they are, for invariants. */
  get state(): { shard: MemoryShard; log: readonly LogEntry[]; isArmed: boolean } {
    const { shard, log, armed } = this.#slot;
    return { shard, log, isArmed: armed === this.#instance };
  }

  inspect(): ShardView {
    const { shard, log, ...slot } = this.#do((slot) => slot);
    const [first, last] = [log[0]?.position, log.at(-1)?.position];
    return {
      instance: this.#instance,
      deployment: slot.deployment,
      shards: slot.shards,
      armed: slot.armed === this.#instance,
      position: { epoch: slot.epoch, seq: shard.seq },
      applied: shard.applied,
      epochSeen: Math.max(slot.epoch, slot.epochSeen),
      log: first && last ? { first, last } : null,
      limits: slot.deployment === null ? null : limits,
      nonce: slot.nonce,
      suspect: slot.suspect,
      logWay: "",
      reconciled: null,
      skus: shard.skus,
      empty: slot.deployment === null,
      refusal: "",
    };
  }

  entries(after: Position, entriesMax: number): LogEntry[] {
    const { log } = this.#do((slot) => slot);
    const found = log.filter(({ position }) => comparePositions(position, after) > 0).slice(0, entriesMax);
    const last = found.at(-1)?.position;
    if (last && this.plant === "trim-before-commit") {
      this.#do((slot) => slot.log = slot.log.filter(({ position }) => comparePositions(position, last) > 0));
    }
    return found;
  }

  publish(status: ShardStatus): void {
    this.refusal = status.kind === "refusal"
      ? status.reason
      : status.kind === "verifying"
      ? this.refusal
      : "";
  }

  disarm(suspect: boolean): void {
    this.#do((slot) => Object.assign(slot, { armed: "", challenge: "", suspect: suspect || slot.suspect }));
  }

  disarmUnacknowledged(word: string): "recorded" | "disarmed" {
    if (this.#slot.challenge !== word) {
      this.#do((slot) => slot.challenge = word);
      return "recorded";
    }
    const isSuspect = true;
    this.disarm(isSuspect);
    return "disarmed";
  }

  beginRestore(token: string, seen: ShardView, start: RestoreStart): void {
    const { instance, position: { epoch, seq } } = seen;
    const [now, slot] = [this.#now(), this.#slot];
    if (instance !== this.#instance || epoch !== slot.epoch || seq !== slot.shard.seq) overtaken();
    this.#do((slot) => {
      Object.assign(slot, { ...start, token, armed: "", epoch: 0, epochSeen: 0, nonce: "", log: [] });
      slot.shard = new MemoryShard(limits, start.seq, now);
      slot.shard.applied = start.applied;
    });
  }

  restore(token: string, fill: (shard: MemoryShard) => void): void {
    if (this.#slot.token !== token) overtaken();
    this.#do((slot) => fill(slot.shard));
  }

  arm(arming: Arming): boolean {
    const { seen, epoch, deployment, shards, applied, token } = arming;
    const slot = this.#slot;
    const isProven = slot.token === token;
    const isSame = seen.instance === this.#instance && seen.position.epoch === slot.epoch && isProven &&
      seen.position.seq === slot.shard.seq && (slot.deployment ?? deployment) === deployment;
    if (!isSame) return false;
    const instance = this.#instance;
    this.#do((slot) => {
      Object.assign(slot, {
        deployment,
        shards,
        epoch,
        armed: instance,
        token: "",
        suspect: false,
        challenge: "",
      });
      Object.assign(slot, { nonce: String(epoch), nonceSeq: slot.shard.seq });
      slot.shard.applied = Math.max(slot.shard.applied, applied);
    });
    this.refusal = "";
    this.#verified = instance;
    this.watch.armed(epoch);
    return true;
  }

  acknowledge(applied: Position, nonce: Nonce): AckResult {
    const slot = this.#slot;
    const head = slot.shard.seq;
    const reply = (kind: AckResult["kind"]): AckResult => {
      return { kind, head, silentReplicas: 0, nonce: this.#slot.nonce };
    };
    if (slot.armed !== this.#instance || slot.epoch !== applied.epoch) return reply("lost");
    if (applied.seq > head) {
      this.#do((slot) => Object.assign(slot, { armed: "", suspect: true }));
      return reply("went_back");
    }
    if (slot.nonce !== nonce.known && slot.nonce !== nonce.next) return reply("replaced");
    if (applied.seq === slot.shard.applied && slot.nonceSeq === head && slot.challenge === "") {
      return reply("armed");
    }
    this.#do((slot) => {
      slot.shard.applied = Math.max(slot.shard.applied, applied.seq);
      if (slot.nonceSeq !== slot.shard.seq && slot.nonce !== nonce.next) {
        Object.assign(slot, { nonce: nonce.next, nonceSeq: slot.shard.seq });
      }
      slot.challenge = "";
    });
    return reply("armed");
  }
}

function overtaken(): never {
  throw new RestoreOvertaken("Cannot restore the shard as another restore began");
}

function giveBackAgain(
  slot: Slot,
  batch: readonly Timed[],
  outcomes: readonly { readonly kind: string }[],
  events: unknown[],
  nowMs: number,
): void {
  batch.forEach(({ command, deadlineMs }, i) => {
    const outcome = outcomes[i] as { kind: string; replayed?: boolean; lines?: readonly { sku: string }[] };
    if (command.kind !== "cancel" || outcome.kind !== "settled" || outcome.replayed) return;
    const [sku = ""] = (outcome.lines ?? []).map((line) => line.sku);
    const adjustmentId = `again-${command.orderId}`;
    const again = { kind: "adjust", adjustmentId, sku, delta: 1, reason: "", reference: "" } as const;
    const more = slot.shard.decide(
      [{ deadlineMs, command: { ...again, actor: "", traceparent: "" } }],
      nowMs,
    );
    events.push(...more.events);
  });
}
