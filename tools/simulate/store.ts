/**
 * The scripts of a shard's store: decisions of `src/decide/memory/`, and around them what the Lua files of `slot.ts` do.
 *
 * @module
 */
import type { MemoryShard } from "../../src/decide/memory/decide.ts";
import {
  type AckResult,
  type Arming,
  type Nonce,
  RestoreOvertaken,
  type RestoreStart,
  type ShardStatus,
  type ShardView,
} from "../../src/decide/shard_control.ts";
import type { BatchResult, Timed } from "../../src/decide/store.ts";
import { StoreError } from "../../src/domain/errors.ts";
import { comparePositions, type LogEntry, type Position } from "../../src/domain/event.ts";
import { giveBackAgain, lapsePrepared, type PreparedNow } from "./plants.ts";
import { StoreServer } from "./server.ts";
import { acknowledgement, arming, disarmed, restoreBegun, type Slot, viewOf } from "./slot.ts";

/** A store. Its methods run at once: the network delays calls and replies. */
export class SimulatedStore extends StoreServer {
  readonly #preparedNow: PreparedNow = new Map();

  /** Decides, then waits for the disk. `callerEpoch`: the epoch that the caller has seen. */
  async decide(
    batch: readonly Timed[],
    callerEpoch: { seen: number },
    deployment: string,
  ): Promise<BatchResult> {
    const timeMs = this.now();
    const { watch, plant } = this.options;
    const slot = this.read();
    this.mayWrite();
    if (slot.armed !== this.id) return { kind: "unarmed", timeMs };
    if (slot.deployment !== deployment) throw new StoreError("foreign", "none", "another deployment's");
    if (callerEpoch.seen > slot.epoch) {
      const { seen } = callerEpoch;
      this.write((slot) => Object.assign(slot, { armed: "", epochSeen: Math.max(seen, slot.epochSeen) }));
      throw new StoreError("stale_server", "none", "the server is behind");
    }
    callerEpoch.seen = slot.epoch;
    if (this.verified !== this.instance) {
      watch.broken("a store decides that was not verified since it restarted");
    }
    const result = this.#decideNow(batch, timeMs);
    const bad = slot.shard.stock().find(({ available, reserved }) => available < 0 || reserved < 0);
    if (bad) watch.broken(`'${bad.sku}' is below zero in the store`);
    if (batch.length > 0 && plant !== "answer-before-wait") await this.onDisk();
    else void this.onDisk().catch(() => {});
    return result;
  }

  #decideNow(batch: readonly Timed[], timeMs: number): BatchResult {
    const { plant, watch } = this.options;
    const isLast = plant === "xadd-last";
    const head = this.own.shard.seq;
    let result: BatchResult | undefined;
    let entry: LogEntry | undefined;
    const decide = (slot: Slot) => {
      const { outcomes, events, isMoreDue } = slot.shard.decide(batch, timeMs);
      if (plant === "hold-released-twice") giveBackAgain(slot.shard, batch, outcomes, events, timeMs);
      if (plant === "prepared-hold-lapses") {
        lapsePrepared(this.#preparedNow, slot.shard, batch, outcomes, events, timeMs);
      }
      const position = { epoch: slot.epoch, seq: slot.shard.seq };
      entry = events.length > 0 ? { position, events } : undefined;
      if (entry && !isLast) slot.log.push(entry);
      result = { kind: "decided", timeMs, head: slot.shard.seq, outcomes, isMoreDue };
    };
    decide(this.own);
    const written = entry;
    // A batch without an event changes nothing that lasts: a replay does without it.
    if (this.own.shard.seq > head) this.journal.push(decide);
    for (const { id, seq } of written?.events ?? []) {
      this.issued.set(`${id} ${seq}`, { seq, atMs: this.options.scheduler.nowMs });
      if (this.isPutBack) watch.doubtful(this.shard, `${id} ${seq}`);
    }
    if (isLast && written) this.write((slot) => slot.log.push(written));
    if (!result) throw new Error("Cannot be: the store has decided");
    return result;
  }

  inspect(): ShardView {
    const slot = this.read();
    let refusal = "";
    try {
      this.mayWrite();
    } catch (error) {
      refusal = error instanceof Error ? error.message : "";
    }
    return viewOf(slot, this.id, this.options.limits, refusal, this.now());
  }

  stock(): { rows: ReturnType<MemoryShard["stock"]>; next: null } {
    return { rows: this.read().shard.stock(), next: null };
  }

  /** `recall.lua`. */
  remembered(): ReturnType<MemoryShard["remembered"]> {
    return this.read().shard.remembered();
  }

  tail(): Position {
    return this.read().log.at(-1)?.position ?? { epoch: 0, seq: 0 };
  }

  entries(after: Position, entriesMax: number): LogEntry[] {
    const { log } = this.read();
    const most = Math.min(entriesMax, this.options.readMax);
    let first = log.length;
    while (first > 0 && comparePositions(log[first - 1]?.position ?? after, after) > 0) first--;
    const found = log.slice(first, first + most);
    const last = found.at(-1)?.position;
    if (last && this.options.plant === "trim-before-commit") {
      this.write((slot) =>
        slot.log = slot.log.filter(({ position }) => comparePositions(position, last) > 0)
      );
    }
    return found;
  }

  publish(deployment: string, status: ShardStatus): void {
    const slot = this.read();
    this.mayWrite("allow-oom");
    if (slot.deployment !== deployment) return;
    if (status.kind === "log_way") this.write((slot) => slot.logWay = status.way);
  }

  disarm(deployment: string, isSuspect: boolean): void {
    const slot = this.read();
    this.mayWrite("allow-oom");
    this.write(disarmed(slot, deployment, "", isSuspect).write);
  }

  disarmUnacknowledged(deployment: string, word: string): "recorded" | "disarmed" {
    const slot = this.read();
    this.mayWrite("allow-oom");
    const isSuspect = true;
    const { kind, write } = disarmed(slot, deployment, word, isSuspect);
    this.write(write);
    return kind;
  }

  beginRestore(token: string, seen: ShardView, start: RestoreStart): void {
    const slot = this.read();
    this.mayWrite();
    const { limits } = this.options;
    const begin = restoreBegun(slot, this.id, seen, { ...start, token, limits, nowMs: this.now() });
    if (!begin) this.#overtaken();
    this.write(begin);
  }

  restore<R>(token: string, rows: readonly R[], fill: (shard: MemoryShard, row: R) => void): void {
    const slot = this.read();
    this.mayWrite();
    if (slot.token !== token && this.options.plant !== "rebuild-without-token") this.#overtaken();
    this.write((slot) => {
      for (const row of rows) fill(slot.shard, row);
      if (rows.length > 0) slot.chunks++;
    });
    const { ambush } = this;
    if (!ambush || --ambush.left > 0) return;
    this.ambush = undefined;
    ambush.strike();
  }

  arm(what: Arming): boolean {
    const slot = this.read();
    this.mayWrite("allow-oom");
    const { plant, watch } = this.options;
    const { token, chunks } = slot;
    const lax = {
      ...plant === "rebuild-without-token" && { token, chunks },
      ...plant === "arm-without-chunk-count" && { chunks },
    };
    const write = arming(slot, this.id, { ...what, ...lax });
    this.write(write);
    if (!write) {
      watch.overtaken("an arming is overtaken");
      return false;
    }
    this.verified = this.instance;
    this.isPutBack = false;
    watch.armed(this.shard, what.epoch);
    return true;
  }

  acknowledge(applied: Position, deployment: string, nonce: Nonce): AckResult {
    const slot = this.read();
    const head = slot.shard.seq;
    const { trimMargin } = this.options;
    const { kind, write } = acknowledgement(slot, this.id, applied, deployment, nonce, trimMargin);
    try {
      this.mayWrite("allow-oom");
    } catch (error) {
      // As `src/redis/control.ts` does: what the shard says without a write.
      const refusal = error instanceof Error ? error.message : "";
      const seen = kind === "went_back" ? "lost" : kind;
      return { kind: seen, head, nonce: slot.nonce, silentReplicas: 0, refusal };
    }
    this.write(write);
    return { kind, head, nonce: slot.nonce, silentReplicas: 0 };
  }

  #overtaken(): never {
    this.options.watch.overtaken("a restore is overtaken");
    throw new RestoreOvertaken("Cannot restore the shard as another restore began");
  }
}
