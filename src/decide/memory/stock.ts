/**
 * `lua/stock.lua` in TypeScript: the commands of stock management.
 *
 * @module
 */
import type { StoredPolicy } from "../../domain/event.ts";
import {
  type Adjust,
  limits,
  type Origin,
  type Pause,
  type SetRules,
  type SetStock,
} from "../../domain/command.ts";
import { repeatedAdjustment } from "../../domain/adjustment.ts";
import { type Decided, unsettled } from "../../domain/outcome.ts";
import { adjustmentKey } from "../../domain/remembered_line.ts";
import { accepted, moreDue, type ShardState, type Stock } from "./state.ts";

/** Adds units to a SKU, or subtracts them. */
export function adjust(state: ShardState, command: Adjust): Decided {
  const past = pastAdjustment(state, command);
  if (past) return past;
  const { sku, delta, secondSale } = command;
  if (!state.stock.has(sku) && delta < 0) return { kind: "unknown_sku", sku };
  if (!secondSale) return keepStock(state, command, delta);
  const { orderId, seq, soldUnits, returnedUnits } = secondSale;
  const remembered = state.line(orderId, sku);
  const line = remembered?.seq === seq ? remembered : undefined;
  // Returned units count for the first sale, up to its units; the rest was of the second, and has returned already.
  const returned = line ? line.amount - line.units : returnedUnits;
  const outcome = keepStock(state, command, delta - Math.max(0, returned - soldUnits));
  if (line && outcome.kind === "accepted") {
    const units = Math.min(Math.max(0, soldUnits - returned), line.amount);
    state.rewrite(orderId, (other) => other === line ? { ...line, units } : other);
  }
  return outcome;
}

/** Sets a SKU's available units, if they equal the expected ones. */
export function set(state: ShardState, command: SetStock): Decided {
  const past = pastAdjustment(state, command);
  if (past) return past;
  const { sku, available, expected } = command;
  const stock = state.stock.get(sku);
  if (!stock && expected !== null) return { kind: "unknown_sku", sku };
  const isFirst = expected === null && isUnstocked(stock);
  if (stock && !isFirst && stock.available !== expected) {
    return state.mayBeFreed(sku) ? moreDue : { kind: "stale", sku, available: stock.available };
  }
  return keepStock(state, command, available - (stock?.available ?? 0));
}

/** Pauses or resumes the sale of a SKU. */
export function pause(state: ShardState, command: Pause): Decided {
  const { kind, sku, reason } = command;
  const stock = state.stock.get(sku);
  if (!stock) return { kind: "unknown_sku", sku };
  const { paused, ...others } = stock.policy ?? {};
  const wanted = kind === "pause";
  if ((paused ?? false) === wanted) return accepted(state.seq, [stock.available]);
  state.seq++;
  return setPolicy(state, kind, sku, wanted ? { ...others, paused: true } : others, command, reason);
}

/** Sets the rules of a SKU's sale, if their version is the expected one; the pause stays. */
export function rules(state: ShardState, command: SetRules): Decided {
  const { sku, opensAtMs, closesAtMs, quota, tokenRequired, expected } = command;
  const stock = state.stock.get(sku);
  if (!stock && expected !== null) return { kind: "unknown_sku", sku };
  const before = stock?.policy ?? {};
  const version = before.version ?? 0;
  const policy: StoredPolicy = {
    ...before.paused && { paused: true },
    ...opensAtMs !== null && { opens: opensAtMs },
    ...closesAtMs !== null && { closes: closesAtMs },
    ...quota !== null && { quota },
    ...tokenRequired && { token: true },
  };
  const isSame = policy.opens === before.opens && policy.closes === before.closes &&
    policy.quota === before.quota && policy.token === before.token;
  if (stock && isSame) return accepted(version, [stock.available]);
  if (stock && expected !== version) return { kind: "stale_rules", sku, version };
  const seq = ++state.seq;
  if (!stock) state.stock.set(sku, { available: 0, reserved: 0, policy: null });
  const sale = startsAnew(before, policy, state.nowMs) ? seq : before.sale;
  const whole: StoredPolicy = {
    ...policy,
    ...policy.quota !== undefined && sale !== undefined && { sale },
    ...(!stock || before.unstocked) && { unstocked: true },
    version: seq,
  };
  const outcome = setPolicy(state, "rules", sku, whole, command, "");
  return { ...outcome, created: !stock };
}

/** Whether sales count anew for the quota of `policy`. */
function startsAnew(before: StoredPolicy, policy: StoredPolicy, nowMs: number): boolean {
  return before.quota === undefined ||
    policy.opens !== undefined && policy.opens !== before.opens ||
    before.closes !== undefined && before.closes + limits.closedMs < nowMs;
}

/** The first outcome if the same change was made before, a conflict if another one was. */
function pastAdjustment(state: ShardState, command: Adjust | SetStock): Decided | undefined {
  const past = state.line(adjustmentKey(command.adjustmentId), command.sku);
  return past && repeatedAdjustment(past, command);
}

/** Whether a SKU has had no stock yet: it is unknown, or was made by its rules. */
function isUnstocked(stock: Stock | undefined): boolean {
  return stock?.policy?.unstocked ?? !stock;
}

/** Changes the stock of a SKU that may be new. */
function keepStock(state: ShardState, command: Adjust | SetStock, delta: number): Decided {
  const { adjustmentId, sku, reason, reference } = command;
  const key = adjustmentKey(adjustmentId);
  const known = state.stock.get(sku);
  const { available, reserved } = known ?? { available: 0, reserved: 0 };
  if (available + delta < 0) {
    return known && state.mayBeFreed(sku) ? moreDue : { kind: "insufficient", sku, available };
  }
  if (available + reserved + delta > limits.quantityMax) return { kind: "stock_limit", sku, available };
  if ((state.remembered.get(key)?.length ?? 0) >= limits.orderLinesMax) return { kind: "order_full" };

  const seq = ++state.seq;
  const isFirst = isUnstocked(known) && (command.kind === "adjust" || command.expected === null);
  const kind = isFirst ? "create" : command.kind;
  if (!known) state.stock.set(sku, { available: 0, reserved: 0, policy: null });
  const policy = known && isUnstocked(known) ? endUnstocked(known) : undefined;
  const fact = state.move(sku, delta, 0);
  const newStock = fact.available;
  const what = { sku, kind, amount: delta, newStock, seq, atMs: state.nowMs, userId: "" };
  state.remember(key, { ...what, ...unsettled });
  const data = policy === undefined ? {} : { policy };
  state.write(kind, { id: adjustmentId, origin: command, reason, reference, lines: [fact], data });
  return { ...accepted(seq, [newStock]), created: isFirst };
}

function endUnstocked(stock: Stock): StoredPolicy {
  const { unstocked: _, ...policy } = stock.policy ?? {};
  stock.policy = policy;
  return policy;
}

/** The number of the event is taken already. */
function setPolicy(
  state: ShardState,
  kind: string,
  sku: string,
  policy: StoredPolicy,
  origin: Origin,
  reason: string,
): Extract<Decided, { kind: "accepted" }> {
  state.known(sku).policy = Object.keys(policy).length > 0 ? policy : null;
  const fact = state.move(sku, 0, 0);
  state.write(kind, { id: "", origin, reason, lines: [fact], data: { policy } });
  return accepted(state.seq, [fact.available]);
}
