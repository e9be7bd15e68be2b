/**
 * The embedded default's store: one process's memory. It is filled from the ledger at start, like a
 * Redis that lost everything, so it needs no file of its own.
 *
 * @module
 */
import type { World } from "../../runtime/world.ts";
import type { LogEntry, Position } from "../../domain/event.ts";
import { comparePositions } from "../../domain/event.ts";
import type { EventLog, ReadOptions } from "../../log/event_log.ts";
import type { CheckResult } from "../../domain/check_result.ts";
import type { LineRow, QuotaRow, StockRow } from "../../domain/rows.ts";
import type { DecisionLimits } from "../../domain/limits.ts";
import type { BatchResult, StockStore, Timed } from "../store.ts";
import {
  type AckResult,
  type Arming,
  RestoreOvertaken,
  type RestoreStart,
  type ShardControl,
  type ShardStatus,
  type ShardView,
} from "../shard_control.ts";
import { MemoryShard } from "./decide.ts";

interface Slot {
  shard: MemoryShard;
  deployment: string | null;
  shards: number;
  armed: boolean;
  epoch: number;
  token: string;
  /** Chunks that the restore has written under the token. */
  chunks: number;
  log: LogEntry[];
  guaranteesOff: readonly string[];
  /** Wakes a reader that waits for the next entry. */
  wake: () => void;
}

/** Lines of one read: the ledger of the embedded default applies them in 0.1 to 0.2 s. */
const readLinesMax = 2048;

function fitting(entries: readonly LogEntry[]): LogEntry[] {
  let lines = 0;
  const over = entries.findIndex(({ events }) => {
    lines += events.reduce((sum, event) => sum + event.lines.length, 0);
    return lines > readLinesMax;
  });
  return entries.slice(0, over < 0 ? entries.length : Math.max(1, over));
}

const nothing = () => {};

/** Decides in memory, and stores the log in memory until the ledger has applied it. */
export class MemoryStore implements StockStore, ShardControl, EventLog {
  readonly #slots: Slot[];
  readonly #instance: string;

  /**
   * Every shard starts empty and unarmed: the worker fills and arms it, as it does with Redis.
   *
   * @param limits take effect when a shard is armed or acknowledged next, as they do in Redis
   */
  constructor(readonly world: World, public limits: DecisionLimits, shards: number) {
    this.#instance = world.uuid();
    this.#slots = Array.from({ length: shards }, () => ({
      shard: new MemoryShard(limits, 0, world.now()),
      deployment: null,
      shards: 0,
      armed: false,
      epoch: 0,
      token: "",
      chunks: 0,
      log: [],
      guaranteesOff: [],
      wake: nothing,
    }));
  }

  /** Decides before it returns, so nothing comes between a decision and its events. */
  decide(shard: number, batch: readonly Timed[]): Promise<BatchResult> {
    const slot = this.#slot(shard);
    const timeMs = this.world.now();
    if (!slot.armed) return Promise.resolve({ kind: "unarmed", timeMs });
    const { outcomes, events, isMoreDue } = slot.shard.decide(batch, timeMs);
    if (events.length > 0) {
      slot.log.push({ position: { epoch: slot.epoch, seq: slot.shard.seq }, events });
      slot.wake();
    }
    return Promise.resolve({ kind: "decided", timeMs, head: slot.shard.seq, outcomes, isMoreDue });
  }

  /** A decision wakes a read that waits. One read at a time may wait in a shard. */
  async read(shard: number, after: Position, options: ReadOptions): Promise<LogEntry[]> {
    const slot = this.#slot(shard);
    const last = slot.log.at(-1);
    if (!last || comparePositions(last.position, after) <= 0) await this.#arrival(slot, options);
    const first = slot.log.findIndex(({ position }) => comparePositions(position, after) > 0);
    return first < 0 ? [] : fitting(slot.log.slice(first, first + options.entriesMax));
  }

  #arrival(slot: Slot, { waitMs, signal }: ReadOptions): Promise<void> {
    if (signal.aborted || waitMs === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        cancel();
        signal.removeEventListener("abort", done);
        slot.wake = nothing;
        resolve();
      };
      const cancel = this.world.after(waitMs, done);
      signal.addEventListener("abort", done, { once: true });
      slot.wake = done;
    });
  }

  /** The last entry's position. */
  tail(shard: number): Promise<Position> {
    return Promise.resolve(this.#slot(shard).log.at(-1)?.position ?? { epoch: 0, seq: 0 });
  }

  /** Nothing to find: this process is the server. */
  checkResults(): Promise<CheckResult[]> {
    return Promise.resolve([]);
  }

  /** Stored until the process ends. */
  publish(shard: number, _deployment: string, note: ShardStatus): Promise<void> {
    if (note.kind === "promises_off") this.#slot(shard).guaranteesOff = note.off;
    return Promise.resolve();
  }

  /** The guarantees that were published as off. */
  guaranteesOff(shard: number): Promise<readonly string[]> {
    return Promise.resolve(this.#slot(shard).guaranteesOff);
  }

  /** `instance` is new with every store, so no arming outlives the memory that it was given to. */
  inspect(shard: number): Promise<ShardView> {
    const { deployment, shards, armed, epoch, log, shard: state } = this.#slot(shard);
    const [first, last] = [log[0]?.position, log.at(-1)?.position];
    return Promise.resolve({
      instance: this.#instance,
      deployment,
      shards,
      armed,
      position: { epoch, seq: state.seq },
      applied: state.applied,
      epochSeen: epoch,
      log: first && last ? { first, last } : null,
      limits: deployment === null ? null : state.limits,
      nonce: "",
      suspect: false,
      logWay: "",
      reconciled: null,
      skus: state.skus,
      empty: deployment === null,
      nowMs: this.world.now(),
      refusal: "",
    });
  }

  /** All of it in one page: it is all in memory. */
  stock(shard: number, _cursor: string): Promise<{ rows: StockRow[]; next: string | null }> {
    return Promise.resolve({ rows: this.#slot(shard).shard.stock(), next: null });
  }

  /** Out of memory, at once. */
  entries(shard: number, after: Position, entriesMax: number): Promise<LogEntry[]> {
    const { log } = this.#slot(shard);
    const entries = log.filter(({ position }) => comparePositions(position, after) > 0);
    return Promise.resolve(entries.slice(0, entriesMax));
  }

  /** Takes effect with the next batch; stock and log stay. */
  disarm(shard: number, deployment: string): Promise<void> {
    const slot = this.#slot(shard);
    if (slot.deployment === deployment) slot.armed = false;
    return Promise.resolve();
  }

  /** Takes effect with the next batch, as an interrupted restore does. */
  markForRebuild(shard: number, deployment: string): Promise<boolean> {
    const slot = this.#slot(shard);
    const isOurs = slot.deployment === null || slot.deployment === deployment;
    if (isOurs) Object.assign(slot, { armed: false, epoch: 0 });
    return Promise.resolve(isOurs);
  }

  /** Disarms: no other worker can reach this process's memory. */
  async disarmUnacknowledged(shard: number, deployment: string): Promise<"disarmed"> {
    await this.disarm(shard, deployment);
    return "disarmed";
  }

  /** Replaces the shard by an empty one. `_seen` is not compared: no other process writes here. */
  beginRestore(shard: number, token: string, _seen: ShardView, start: RestoreStart): Promise<void> {
    const slot = this.#slot(shard);
    Object.assign(slot, { ...start, token, chunks: 0, armed: false, epoch: 0, log: [] });
    slot.shard = new MemoryShard(this.limits, start.seq, this.world.now());
    slot.shard.applied = start.applied;
    return Promise.resolve();
  }

  /**
   * Writes the stock as the ledger has it.
   *
   * @throws {RestoreOvertaken} when another restore began
   */
  async restoreStock(shard: number, token: string, rows: readonly StockRow[]): Promise<void> {
    const slot = await this.#restoring(shard, token, rows);
    for (const row of rows) slot.shard.restoreStock(row);
  }

  /**
   * Counts what users have bought.
   *
   * @throws {RestoreOvertaken} when another restore began
   */
  async restoreQuotas(shard: number, token: string, rows: readonly QuotaRow[]): Promise<void> {
    const slot = await this.#restoring(shard, token, rows);
    for (const row of rows) slot.shard.restoreQuota(row);
  }

  /**
   * Remembers the lines; a sale among them counts for its user's limit again.
   *
   * @throws {RestoreOvertaken} when another restore began
   */
  async restoreLines(shard: number, token: string, rows: readonly LineRow[]): Promise<void> {
    const slot = await this.#restoring(shard, token, rows);
    for (const row of rows) slot.shard.restoreLine(row);
  }

  #restoring(shard: number, token: string, rows: readonly unknown[]): Promise<Slot> {
    const slot = this.#slot(shard);
    if (slot.token !== token) {
      return Promise.reject(new RestoreOvertaken(`Cannot restore shard ${shard} as another restore began`));
    }
    if (rows.length > 0) slot.chunks++;
    return Promise.resolve(slot);
  }

  /** Compares instance, position, token and number of chunks. False when one differs: then nothing was changed. */
  arm(shard: number, arming: Arming): Promise<boolean> {
    const slot = this.#slot(shard);
    const unchanged = arming.seen.instance === this.#instance &&
      arming.seen.position.epoch === slot.epoch && arming.seen.position.seq === slot.shard.seq &&
      arming.token === slot.token && arming.chunks === slot.chunks;
    if (unchanged) {
      const { deployment, shards, epoch } = arming;
      Object.assign(slot, { deployment, shards, epoch, armed: true, token: "", chunks: 0 });
      slot.shard.applied = Math.max(slot.shard.applied, arming.applied);
      slot.shard.limits = this.limits;
    }
    return Promise.resolve(unchanged);
  }

  /** Drops every entry up to `applied`, with no margin: no other process reads this log. */
  acknowledge(shard: number, applied: Position, deployment: string): Promise<AckResult> {
    const slot = this.#slot(shard);
    const head = slot.shard.seq;
    const known = slot.armed && slot.epoch === applied.epoch && slot.deployment === deployment;
    if (!known) return Promise.resolve({ kind: "lost", head, nonce: "", silentReplicas: 0 });
    slot.shard.applied = Math.max(slot.shard.applied, applied.seq);
    slot.shard.limits = this.limits;
    const behind = slot.log.findIndex(({ position }) => comparePositions(position, applied) > 0);
    slot.log.splice(0, behind < 0 ? slot.log.length : behind);
    return Promise.resolve({ kind: "armed", head, nonce: "", silentReplicas: 0 });
  }

  /** Reads 1000 counts a call. */
  sweepQuotas(shard: number, deployment: string, cursor: string): Promise<string> {
    const slot = this.#slot(shard);
    if (!slot.armed || slot.deployment !== deployment) return Promise.resolve("0");
    return Promise.resolve(slot.shard.sweepQuotas(cursor === "0", this.world.now()) ? "1" : "0");
  }

  /** Ends waiting reads. */
  close(): Promise<void> {
    for (const slot of this.#slots) slot.wake();
    return Promise.resolve();
  }

  #slot(shard: number): Slot {
    const slot = this.#slots[shard];
    if (!slot) throw new RangeError(`Cannot use shard ${shard} as there are ${this.#slots.length}`);
    return slot;
  }
}
