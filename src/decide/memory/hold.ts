/**
 * `lua/hold.lua` in TypeScript: confirms, cancels, extends and expires reservations.
 *
 * @module
 */
import {
  type Cancel,
  type Confirm,
  type Extend,
  limits,
  type Line,
  type Origin,
} from "../../domain/command.ts";
import type { EventData } from "../../domain/event.ts";
import { type Decided, isForeign, type LineState, type RememberedLine } from "../../domain/outcome.ts";
import { endedAnswer, reservedLine } from "./replay.ts";
import { moreDue, type ShardState } from "./state.ts";

const noOrigin: Origin = { actor: "", traceparent: "" };

/** Confirms a reservation: all of it, or fewer units. */
export function confirm(state: ShardState, command: Confirm): Decided {
  const { orderId, lines } = command;
  if (isForeignReservation(state, command)) return { kind: "forbidden" };
  const held = heldLines(state, orderId);
  if (held.length === 0) return settledAnswer(state, orderId, "confirmed", lines);
  if (held.some((line) => line.expiresAtMs <= state.nowMs)) return moreDue;
  const units = new Map(held.map((line) => [line.sku, line.units]));
  if (lines === null) {
    return settle(state, "confirm", "confirmed", orderId, held, units, command);
  }
  for (const { sku, amount } of lines) {
    const most = units.get(sku) ?? 0;
    if (amount > most) return { kind: "exceeds", sku, units: most };
  }
  const keep = new Map(lines.map((line) => [line.sku, line.amount]));
  return settle(state, "confirm", "confirmed", orderId, held, keep, command);
}

/** Cancels a reservation. */
export function cancel(state: ShardState, command: Cancel): Decided {
  const { orderId } = command;
  if (isForeignReservation(state, command)) return { kind: "forbidden" };
  const held = heldLines(state, orderId);
  if (held.length === 0) return settledAnswer(state, orderId, "cancelled");
  return settle(state, "cancel", "cancelled", orderId, held, new Map(), command);
}

/** The new end is `holdMs` after the reservation was made, never earlier than before. */
export function extend(state: ShardState, command: Extend): Decided {
  const { orderId } = command;
  if (isForeignReservation(state, command)) return { kind: "forbidden" };
  const held = heldLines(state, orderId);
  const [first] = held;
  if (!first) return settledAnswer(state, orderId, "extended");
  const expiresAtMs = first.atMs + Math.min(command.holdMs, state.holdMaxMs);
  if (first.expiresAtMs <= state.nowMs) return moreDue;
  if (expiresAtMs <= first.expiresAtMs) {
    return { kind: "extended", seq: state.seq, expiresAtMs: first.expiresAtMs };
  }
  const seq = ++state.seq;
  const lines = held.map((line) => state.move(line.sku, 0, 0));
  state.rewrite(orderId, (line) => held.includes(line) ? { ...line, expiresAtMs } : line);
  state.expiry.set(orderId, expiresAtMs);
  const data = { expires: expiresAtMs };
  state.write("extend", { id: orderId, userId: first.userId, origin: command, lines, data });
  return { kind: "extended", seq, expiresAtMs };
}

/** Releases expired reservations, before any command reads the stock; at least one order. Sets whether there may be more. */
export function lapse(state: ShardState): void {
  let [orders, lines] = [0, 0];
  for (;;) {
    const orderId = state.expiry.firstDue(state.nowMs);
    if (orderId === undefined) break;
    lines += state.remembered.get(orderId)?.length ?? 0;
    if (orders === limits.dueMax || orders > 0 && lines > limits.lapseLinesMax) break;
    orders++;
    state.expiry.delete(orderId);
    const held = heldLines(state, orderId);
    const [first] = held;
    if (!first) continue;
    const data = { expires: first.expiresAtMs };
    settle(state, "expire", "expired", orderId, held, new Map(), noOrigin, data);
  }
  state.isMoreDue = state.expiry.firstDue(state.nowMs) !== undefined;
}

/** All lines of a reservation have one actor. */
function isForeignReservation(state: ShardState, { orderId, owner }: Confirm | Cancel | Extend): boolean {
  const last = reservedLine(state, orderId);
  return last !== undefined && isForeign(last, owner);
}

function heldLines(state: ShardState, orderId: string): readonly RememberedLine[] {
  return (state.remembered.get(orderId) ?? []).filter(({ kind, state }) =>
    kind === "reserve" && state === "held"
  );
}

/** The outcome of a call that finds nothing held. `wanted` is the state that the call asks for. */
function settledAnswer(
  state: ShardState,
  orderId: string,
  wanted: "confirmed" | "cancelled" | "extended",
  lines: readonly Line[] | null = null,
): Decided {
  const last = reservedLine(state, orderId);
  if (!last) return { kind: "unknown_reservation" };
  if (last.state !== wanted) return endedAnswer(last);
  const settled = (state.remembered.get(orderId) ?? []).filter((line) => line.settledSeq === last.settledSeq);
  if (wanted === "confirmed" && !isSame(settled, lines)) return endedAnswer(last);
  return {
    kind: "settled",
    state: wanted,
    seq: last.settledSeq,
    replayed: true,
    lines: settled.map((line) => ({
      sku: line.sku,
      amount: line.settledUnits,
      available: line.settledStock,
    })),
  };
}

/** Whether a confirmation of `lines` (null = all) equals the one that made `settled`. */
function isSame(settled: readonly RememberedLine[], lines: readonly Line[] | null): boolean {
  if (lines === null) return settled.every((line) => line.settledUnits === line.amount);
  const wanted = new Map(lines.map(({ sku, amount }) => [sku, amount]));
  return lines.every(({ sku }) => settled.some((line) => line.sku === sku)) &&
    settled.every((line) => line.settledUnits === (wanted.get(line.sku) ?? 0));
}

/** Ends the holds `held`: `keep` units of each SKU are sold, the rest returns to the stock. */
function settle(
  state: ShardState,
  kind: "confirm" | "cancel" | "expire",
  becomes: Extract<LineState, "confirmed" | "cancelled" | "expired">,
  orderId: string,
  held: readonly RememberedLine[],
  keep: ReadonlyMap<string, number>,
  origin: Origin,
  data?: EventData,
): Decided {
  const seq = ++state.seq;
  const facts = held.map((line) => {
    const kept = keep.get(line.sku) ?? 0;
    const fact = state.move(line.sku, line.units - kept, -line.units);
    state.countQuota(line.userId, line.sku, kept - line.units, line.seq);
    state.rewrite(orderId, (other) =>
      other !== line ? other : {
        ...line,
        state: becomes,
        units: kept,
        settledSeq: seq,
        settledUnits: kept,
        settledStock: fact.available,
      });
    return fact;
  });
  state.expiry.delete(orderId);
  const userId = held[0]?.userId ?? "";
  state.write(kind, { id: orderId, userId, origin, lines: facts, ...data && { data } });
  const lines = facts.map(({ sku, available }) => ({ sku, amount: keep.get(sku) ?? 0, available }));
  return {
    kind: "settled",
    state: becomes === "confirmed" ? becomes : "cancelled",
    seq,
    replayed: false,
    lines,
  };
}
