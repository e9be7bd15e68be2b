/**
 * `lua/sell.lua` in TypeScript: sells, reserves or prepares the lines of one order, all or none.
 *
 * @module
 */
import type { Prepare } from "../../domain/basket.ts";
import { limits, type Sale } from "../../domain/command.ts";
import type { Decided } from "../../domain/outcome.ts";
import { pairKey } from "../../domain/remembered_line.ts";
import { endedAnswer, pastLines, reservedLine } from "./replay.ts";
import { accepted, moreDue, type ShardState } from "./state.ts";

/** Decides a sale. */
export function sell(state: ShardState, sale: Sale | Prepare): Decided {
  const holdMs = Math.min(sale.holdMs, state.holdMaxMs);
  const past = state.remembered.get(sale.orderId) && pastAnswer(state, sale, holdMs);
  const refusal = past ?? whyNot(state, sale);
  if (refusal) return refusal;

  const { kind, orderId, userId, lines } = sale;
  const { nowMs } = state;
  const seq = ++state.seq;
  const held = kind === "reserve" || kind === "prepare";
  const attempt = sale.kind === "prepare" ? sale.attempt : "";
  const expiresAtMs = kind === "reserve" ? nowMs + holdMs : 0;
  const facts = lines.map(({ sku, amount }) => {
    const fact = state.move(sku, -amount, held ? amount : 0);
    state.remember(orderId, {
      sku,
      kind,
      amount,
      newStock: fact.available,
      seq,
      atMs: nowMs,
      userId,
      state: held ? "held" : "accepted",
      units: amount,
      holdMs,
      expiresAtMs,
      settledSeq: 0,
      settledUnits: 0,
      settledStock: 0,
      actor: sale.actor,
      attempt,
    });
    state.countQuota(userId, sku, amount, seq);
    if (state.limits.userLimitMs > 0) state.bought.set(pairKey(userId, sku), nowMs);
    return fact;
  });
  if (kind === "reserve") state.expiry.set(orderId, expiresAtMs);
  if (kind === "prepare") state.prepared.set(orderId, seq);
  const data = kind === "reserve" ? { expires: expiresAtMs, hold: holdMs } : {};
  state.write(kind, { id: orderId, userId, origin: sale, reference: attempt, lines: facts, data });
  return { ...accepted(seq, facts.map((fact) => fact.available)), expiresAtMs };
}

/** The outcome of a sale whose order id is known, decided before any other check; undefined for a new id. */
function pastAnswer(state: ShardState, sale: Sale | Prepare, holdMs: number): Decided | undefined {
  const { kind, orderId, lines } = sale;
  if (kind === "prepare" && state.prepared.has(orderId)) return { kind: "pending" };
  const reserved = kind === "reserve" ? reservedLine(state, orderId) : undefined;
  if (reserved && reserved.state !== "held") return endedAnswer(reserved);
  if (reserved && reserved.expiresAtMs <= state.nowMs) return moreDue;
  const past = pastLines(state.remembered.get(orderId), sale);
  if (past.kind === "same" && past.first.holdMs === holdMs) {
    const { seq, atMs } = past.first;
    const expiresAtMs = holdMs > 0 ? atMs + holdMs : 0;
    return { ...accepted(seq, past.lines.map((line) => line.newStock)), replayed: true, expiresAtMs };
  }
  if (past.kind === "none" && !reserved) return undefined;
  return { kind: "conflict", sku: past.kind === "differs" ? past.sku : lines[0]?.sku ?? "" };
}

function whyNot(state: ShardState, sale: Sale | Prepare): Decided | undefined {
  const { orderId, lines, hasToken } = sale;
  for (const { sku } of lines) {
    if (!state.stock.has(sku)) return { kind: "unknown_sku", sku };
  }
  for (const { sku } of lines) {
    const closed = whyClosed(state, sku, hasToken);
    if (closed) return closed;
  }
  for (const { sku, amount } of lines) {
    const { available } = state.known(sku);
    if (available < amount) return state.mayBeFreed(sku) ? moreDue : { kind: "insufficient", sku, available };
  }
  const unfair = whyUnfair(state, sale);
  if (unfair) return unfair;
  const room = limits.orderLinesMax - (state.remembered.get(orderId)?.length ?? 0);
  // A new order always has room for its own lines: a basket has 100 at most.
  if (state.remembered.get(orderId) && lines.length > room) return { kind: "order_full" };
  if (state.seq - state.applied >= state.limits.backlogMax) return { kind: "backlog_full" };
  return undefined;
}

function whyClosed(state: ShardState, sku: string, hasToken: boolean): Decided | undefined {
  const { policy } = state.known(sku);
  const { nowMs } = state;
  if (!policy) return undefined;
  const { opens, closes } = policy;
  if (policy.paused) return { kind: "paused", sku };
  if (opens !== undefined && nowMs < opens) return { kind: "not_open", sku, opensAtMs: opens };
  if (closes !== undefined && nowMs >= closes) return { kind: "sale_closed", sku, closesAtMs: closes };
  return policy.token && !hasToken ? { kind: "token_required", sku } : undefined;
}

function whyUnfair(state: ShardState, { userId, lines }: Sale | Prepare): Decided | undefined {
  const { userLimitMs } = state.limits;
  for (const { sku } of userLimitMs > 0 ? lines : []) {
    const atMs = state.boughtAtMs(userId, sku);
    if (atMs === undefined || state.nowMs - atMs >= userLimitMs) continue;
    return { kind: "rate_limited", sku, retryAfterMs: atMs + userLimitMs - state.nowMs };
  }
  for (const { sku, amount } of lines) {
    const count = state.quotaOf(userId, sku);
    const quota = state.known(sku).policy?.quota;
    if (!count || quota === undefined || count.units + amount <= quota) continue;
    if (state.mayBeFreed(sku)) return moreDue;
    return { kind: "quota_exceeded", sku, quota, left: Math.max(0, quota - count.units) };
  }
  return undefined;
}
