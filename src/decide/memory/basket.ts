/**
 * `lua/basket.lua` in TypeScript: carries out the decision on a basket of several shards, in this shard.
 *
 * @module
 */
import type { Settle } from "../../domain/basket.ts";
import { type Decided, isPrepared, type RememberedLine } from "../../domain/outcome.ts";
import { pairKey } from "../../domain/remembered_line.ts";
import { endedAnswer } from "./replay.ts";
import type { ShardState } from "./state.ts";

/** Sells the lines that were prepared. */
export function commit(state: ShardState, command: Settle): Decided {
  const lines = linesOf(state, command);
  const [first] = lines;
  if (!first) return { kind: "unknown_reservation" };
  if (!isPrepared(first)) {
    const settled = lines.map(({ sku, amount, newStock }) => ({ sku, amount, available: newStock }));
    return { kind: "settled", state: "confirmed", seq: first.seq, replayed: true, lines: settled };
  }
  const outcome = settle(state, command, lines);
  state.rewrite(command.orderId, (line) => lines.includes(line) ? { ...line, state: "accepted" } : line);
  return outcome;
}

/** Returns the units of the lines that were prepared, and forgets the lines: the order may be tried again. */
export function abort(state: ShardState, command: Settle): Decided {
  const { orderId } = command;
  const lines = linesOf(state, command);
  const [first] = lines;
  if (!first) return { kind: "unknown_reservation" };
  if (!isPrepared(first)) return endedAnswer({ ...first, state: "confirmed" });
  const outcome = settle(state, command, lines);
  const kept = (state.remembered.get(orderId) ?? []).filter((line) => !lines.includes(line));
  if (kept.length > 0) state.remembered.set(orderId, kept);
  else state.remembered.delete(orderId);
  for (const { userId, sku, units, seq, atMs } of lines) {
    state.countQuota(userId, sku, -units, seq);
    const pair = pairKey(userId, sku);
    if (state.limits.userLimitMs > 0 && state.bought.get(pair) === atMs) state.bought.set(pair, 0);
  }
  return outcome;
}

/** The order's lines that were prepared with a number, decided or not. */
function linesOf(state: ShardState, { orderId, preparedSeq }: Settle): RememberedLine[] {
  return (state.remembered.get(orderId) ?? []).filter(({ kind, seq }) =>
    kind === "prepare" && seq === preparedSeq
  );
}

/** Ends the hold of prepared lines. */
function settle(state: ShardState, command: Settle, held: readonly RememberedLine[]): Decided {
  const { kind, orderId } = command;
  const seq = ++state.seq;
  const back = (units: number) => kind === "abort" ? units : 0;
  const facts = held.map(({ sku, units }) => state.move(sku, back(units), -units));
  state.prepared.delete(orderId);
  state.write(kind, { id: orderId, userId: held[0]?.userId ?? "", origin: command, lines: facts });
  const lines = held.map(({ sku, units }, i) => ({
    sku,
    amount: units - back(units),
    available: facts[i]?.available ?? 0,
  }));
  return {
    kind: "settled",
    state: kind === "commit" ? "confirmed" : "cancelled",
    seq,
    replayed: false,
    lines,
  };
}
