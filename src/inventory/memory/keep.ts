/**
 * `lua/stock.lua` in TypeScript: what a stock keeper asks.
 *
 * @module
 */
import type { StoredPolicy } from "../../log/event.ts";
import { type Adjust, limits, type Origin, type Pause, type SetRules, type SetStock } from "../command.ts";
import { type Decided, type RememberedLine, unsettled } from "../outcome.ts";
import { adjustmentKey } from "../remembered.ts";
import { accepted, moreDue, type ShardState } from "./state.ts";

/** Adds units to a SKU, or takes them away. */
export function adjust(state: ShardState, command: Adjust): Decided {
  const past = pastAdjustment(state, command);
  if (past) return past;
  const { sku, delta, secondSale } = command;
  if (!state.stock.has(sku) && delta < 0) return { kind: "unknown_sku", sku };
  if (!secondSale) return keepStock(state, command, delta);
  const { orderId, seq, soldUnits, returnedUnits } = secondSale;
  const remembered = state.line(orderId, sku);
  const line = remembered?.seq === seq ? remembered : undefined;
  // What came back counts for the first sale, as far as that had units; the rest was of the second, and is back already.
  const returned = line ? line.amount - line.units : returnedUnits;
  const outcome = keepStock(state, command, delta - Math.max(0, returned - soldUnits));
  if (line && outcome.kind === "accepted") {
    const units = Math.min(Math.max(0, soldUnits - returned), line.amount);
    state.rewrite(orderId, (other) => other === line ? { ...line, units } : other);
  }
  return outcome;
}

/** Sets a SKU's available units, if they are as expected. */
export function set(state: ShardState, command: SetStock): Decided {
  const past = pastAdjustment(state, command);
  if (past) return past;
  const { sku, available, expected } = command;
  const stock = state.stock.get(sku);
  if (!stock && expected !== null) return { kind: "unknown_sku", sku };
  if (stock && stock.available !== expected) {
    return state.mayBeFreed(sku) ? moreDue : { kind: "stale", sku, available: stock.available };
  }
  return keepStock(state, command, available - (stock?.available ?? 0));
}

/** Stops selling a SKU, or goes on. */
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

/** Sets the rules of a SKU's sale; the pause stays. */
export function rules(state: ShardState, command: SetRules): Decided {
  const { sku, opensAtMs, closesAtMs, quota, tokenRequired } = command;
  const stock = state.stock.get(sku);
  if (!stock) return { kind: "unknown_sku", sku };
  const before = stock.policy ?? {};
  const policy: StoredPolicy = {
    ...before.paused && { paused: true },
    ...opensAtMs !== null && { opens: opensAtMs },
    ...closesAtMs !== null && { closes: closesAtMs },
    ...quota !== null && { quota },
    ...tokenRequired && { token: true },
  };
  const sameWindow = policy.opens === before.opens && policy.closes === before.closes &&
    policy.quota === before.quota;
  if (sameWindow && policy.token === before.token) return accepted(state.seq, [stock.available]);
  const seq = ++state.seq;
  const sale = sameWindow ? before.sale : policy.quota === undefined ? undefined : seq;
  const whole = sale === undefined ? policy : { ...policy, sale };
  return setPolicy(state, "rules", sku, whole, command, "");
}

/** The first answer if this very change was made before, a conflict if another one was. */
function pastAdjustment(state: ShardState, command: Adjust | SetStock): Decided | undefined {
  const { adjustmentId, sku } = command;
  const past = state.line(adjustmentKey(adjustmentId), sku);
  if (!past) return undefined;
  if (!isSame(past, command)) return { kind: "conflict", sku };
  return { ...accepted(past.seq, [past.newStock]), replayed: true, created: past.kind === "create" };
}

/**
 * What was asked follows from what is remembered: a `set` found the figure after it less the change, a `create` no SKU.
 */
function isSame({ kind, amount, newStock }: RememberedLine, command: Adjust | SetStock): boolean {
  if (command.kind === "adjust") {
    return kind !== "set" && (command.secondSale !== undefined || amount === command.delta);
  }
  if (newStock !== command.available) return false;
  if (command.expected === null) return kind === "create";
  return kind === "set" && newStock - amount === command.expected;
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
  const kind = known ? command.kind : "create";
  if (!known) state.stock.set(sku, { available: 0, reserved: 0, policy: null });
  const fact = state.move(sku, delta, 0);
  const newStock = fact.available;
  const what = { sku, kind, amount: delta, newStock, seq, atMs: state.nowMs, userId: "" };
  state.remember(key, { ...what, ...unsettled });
  state.write(kind, { id: adjustmentId, origin: command, reason, reference, lines: [fact] });
  return { ...accepted(seq, [newStock]), created: !known };
}

/** The number of the event is taken already. */
function setPolicy(
  state: ShardState,
  kind: string,
  sku: string,
  policy: StoredPolicy,
  origin: Origin,
  reason: string,
): Decided {
  state.known(sku).policy = Object.keys(policy).length > 0 ? policy : null;
  const fact = state.move(sku, 0, 0);
  state.write(kind, { id: "", origin, reason, lines: [fact], data: { policy } });
  return accepted(state.seq, [fact.available]);
}
