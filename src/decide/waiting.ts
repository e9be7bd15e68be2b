/**
 * A command in a batcher, from its arrival to its outcome.
 *
 * @module
 */
import { StoreError } from "../domain/errors.ts";
import type { Outcome } from "../domain/outcome.ts";
import type { CommandTimings, StoreCall } from "./command_timings.ts";
import type { StoreClock } from "./store_clock.ts";
import type { Timed } from "./store.ts";

/** Takes the outcome, once. */
export type Settle = (outcome: Outcome) => void;

/** It waits for a call or its answer until it is settled. */
export interface Waiting extends Timed {
  /** The deadline on this process's monotonic clock. */
  readonly expiresAtMs: number;
  /** The same on the store's clock, as of the last call that it left with; 0 before. */
  deadlineMs: number;
  /** Lines of a call's room that it takes. */
  weight: number;
  /** Where it is noted how it goes. */
  readonly timings: CommandTimings | undefined;
  /** Undefined once it is settled. */
  settle: Settle | undefined;
}

/** The oldest, and of the others those that fit: a heavy command lets lighter ones pass until it is the oldest. */
export function takeBatch(
  queue: readonly Waiting[],
  batchMax: number,
): { batch: Waiting[]; rest: Waiting[] } {
  let room = batchMax;
  const batch: Waiting[] = [];
  const passed: Waiting[] = [];
  let looked = 0;
  for (const waiting of queue) {
    if (room <= 0) break;
    looked++;
    if (batch.length > 0 && waiting.weight > room) {
      passed.push(waiting);
    } else {
      room -= waiting.weight;
      batch.push(waiting);
    }
  }
  const rest = queue.slice(looked);
  return { batch, rest: passed.length === 0 ? rest : [...passed, ...rest] };
}

/** A batch that leaves now. */
export function withDeadlines(batch: readonly Waiting[], clock: StoreClock): readonly Waiting[] {
  for (const waiting of batch) waiting.deadlineMs = clock.at(waiting.expiresAtMs);
  return batch;
}

/** Not when its deadline may pass in the next call: its outcome would be unknown, and now it certainly took no effect. */
export function mayGoAgain({ settle, expiresAtMs }: Waiting, { sentAtMs, answeredAtMs }: StoreCall): boolean {
  return settle !== undefined && expiresAtMs - answeredAtMs > 2 * (answeredAtMs - sentAtMs);
}

/** Tells its caller, once. */
export function settle(waiting: Waiting, outcome: Outcome, nowMs: number): void {
  if (waiting.settle && waiting.timings) waiting.timings.settledAtMs = nowMs;
  waiting.settle?.(outcome);
  waiting.settle = undefined;
}

/** Of a command whose call failed. Without a deadline it was not sent. */
export function outcomeOf(error: unknown, deadlineMs?: number): Outcome {
  const certain = error instanceof StoreError && error.effect !== "unknown";
  if (!certain && deadlineMs !== undefined) return { kind: "outcome_unknown", deadlineMs };
  if (error instanceof StoreError && error.code === "OOM") return { kind: "store_full" };
  return { kind: "store_unavailable", reason: error instanceof StoreError ? error.code : "broken" };
}

/** The one whose time ends first, of those that are not settled. In the queue and in a call deadlines rise. */
export function oldestOpen(
  calls: Iterable<readonly Waiting[]>,
  queue: readonly Waiting[],
): Waiting | undefined {
  let oldest = queue[0];
  for (const call of calls) {
    const open = call.find((waiting) => waiting.settle);
    if (open && open.expiresAtMs < (oldest?.expiresAtMs ?? Infinity)) oldest = open;
  }
  return oldest;
}

/** Settles those whose time is over. Returns what is left of the queue: what never left it took no effect. */
export function endExpired(
  calls: Iterable<readonly Waiting[]>,
  queue: readonly Waiting[],
  nowMs: number,
): Waiting[] {
  for (const call of calls) {
    for (const waiting of call) {
      if (waiting.expiresAtMs > nowMs) continue;
      settle(waiting, { kind: "outcome_unknown", deadlineMs: waiting.deadlineMs }, nowMs);
    }
  }
  const first = queue.findIndex((waiting) => waiting.expiresAtMs > nowMs);
  const open = first < 0 ? [] : queue.slice(first);
  for (const waiting of queue.slice(0, queue.length - open.length)) {
    settle(waiting, { kind: "overloaded" }, nowMs);
  }
  return open;
}
