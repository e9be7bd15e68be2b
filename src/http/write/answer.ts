/**
 * Answers to what buyers ask: the successes here, every refusal in the table of `refusal.ts`.
 *
 * @module
 */
import type { Line } from "../../domain/command.ts";
import type { OrderOutcome, Outcome, RememberedLine } from "../../domain/outcome.ts";
import type { DeductBody } from "../schemas/bodies.ts";
import type { ReturnBody } from "../schemas/bodies.ts";
import { problem } from "./problem.ts";
import type { TokenVerdict } from "./refusal.ts";
import { instant, refusal } from "./refusal.ts";
import { type Answer, freshJsonHeaders, jsonHeaders, replayedHeaders } from "./response.ts";

/** What an answer to a sale may need to know beside the outcome. */
export interface SaleContext {
  /** Wall clock, milliseconds since 1970. */
  readonly nowMs: number;
  /** The purchase token that came with the sale. */
  readonly token: TokenVerdict;
}

/** The answer to a deduct. */
export function answerDeduct(outcome: Outcome, asked: DeductBody, context: SaleContext): Answer {
  const { orderId, sku, amount } = asked;
  if (outcome.kind !== "accepted") {
    return refusal(outcome, { command: "deduct", id: { order_id: orderId }, ...context });
  }
  return {
    status: 200,
    headers: outcome.replayed ? replayedHeaders : jsonHeaders,
    body: {
      success: true,
      new_stock: onlyFigure(outcome.newStock),
      message: "success",
      order_id: orderId,
      sku,
      amount,
      seq: outcome.seq,
    },
  };
}

/** The answer to a basket. */
export function answerBasket(
  outcome: Outcome,
  orderId: string,
  lines: readonly Line[],
  context: SaleContext,
): Answer {
  const id = { order_id: orderId };
  if (outcome.kind !== "accepted") return refusal(outcome, { command: "order", id, ...context });
  return {
    status: 200,
    headers: outcome.replayed ? replayedHeaders : jsonHeaders,
    body: {
      success: true,
      ...id,
      lines: linesAfter(lines, outcome.newStock),
      seq: outcome.seq,
      message: "success",
    },
  };
}

/** The answer to a reservation. A replay is the first answer again, 201 included. */
export function answerReserve(
  outcome: Outcome,
  orderId: string,
  lines: readonly Line[],
  context: SaleContext,
): Answer {
  const id = { order_id: orderId };
  if (outcome.kind !== "accepted") return refusal(outcome, { command: "reserve", id, ...context });
  return {
    status: 201,
    headers: outcome.replayed ? replayedHeaders : jsonHeaders,
    body: {
      success: true,
      ...id,
      lines: linesAfter(lines, outcome.newStock),
      expires_at: instant(outcome.expiresAtMs),
      seq: outcome.seq,
      message: "success",
    },
  };
}

/** The answer to a confirmation or a cancellation. */
export function answerSettle(
  outcome: Outcome,
  command: "confirm" | "cancel",
  orderId: string,
  nowMs: number,
): Answer {
  const id = { order_id: orderId };
  if (outcome.kind !== "settled") return refusal(outcome, { command, id, nowMs, token: "none" });
  const lines = outcome.lines.map(({ sku, amount, available }) => ({
    sku,
    confirmed: amount,
    new_stock: available,
  }));
  return {
    status: 200,
    headers: outcome.replayed ? replayedHeaders : jsonHeaders,
    body: { success: true, ...id, state: outcome.state, lines, seq: outcome.seq, message: "success" },
  };
}

/** The answer to an extension. */
export function answerExtend(outcome: Outcome, orderId: string, nowMs: number): Answer {
  const id = { order_id: orderId };
  if (outcome.kind !== "extended") return refusal(outcome, { command: "extend", id, nowMs, token: "none" });
  return {
    status: 200,
    headers: jsonHeaders,
    body: {
      success: true,
      ...id,
      expires_at: instant(outcome.expiresAtMs),
      seq: outcome.seq,
      message: "success",
    },
  };
}

/** The answer to a return. */
export function answerReturn(outcome: Outcome, orderId: string, asked: ReturnBody, nowMs: number): Answer {
  const id = { order_id: orderId, return_id: asked.returnId };
  if (outcome.kind !== "accepted") return refusal(outcome, { command: "return", id, nowMs, token: "none" });
  return {
    status: 200,
    headers: outcome.replayed ? replayedHeaders : jsonHeaders,
    body: {
      success: true,
      ...id,
      lines: linesAfter(asked.lines, outcome.newStock),
      seq: outcome.seq,
      message: "success",
    },
  };
}

/** The answer to a question about an order. */
export function answerOrder(outcome: OrderOutcome, orderId: string, nowMs: number): Answer {
  const id = { order_id: orderId };
  if (outcome.kind !== "order_found") {
    return refusal(outcome, { command: "lookup", id, nowMs, token: "none" });
  }
  if (outcome.lines.length === 0) {
    return problem("unknown_order", `No line of the order ${orderId} was accepted`, { members: id });
  }
  return { status: 200, headers: freshJsonHeaders, body: { ...id, lines: outcome.lines.map(orderLine) } };
}

function orderLine(line: RememberedLine): Record<string, unknown> {
  return {
    sku: line.sku,
    user_id: line.userId,
    kind: line.kind,
    amount: line.amount,
    state: line.state,
    units: line.units,
    returned: returnedUnits(line),
    new_stock: line.newStock,
    seq: line.seq,
    accepted_at: instant(line.atMs),
    expires_at: line.expiresAtMs === 0 ? null : instant(line.expiresAtMs),
    settled: line.settledSeq === 0 ? null : {
      seq: line.settledSeq,
      confirmed: line.settledUnits,
      new_stock: line.settledStock,
    },
  };
}

/** Only what was sold can have come back; what was held and lapsed was never sold. */
function returnedUnits(line: RememberedLine): number {
  switch (line.state) {
    case "accepted":
      return line.amount - line.units;
    case "confirmed":
      return line.settledUnits - line.units;
    default:
      return 0;
  }
}

/** Lines with what is left of each; the store answers them in order. */
function linesAfter(lines: readonly Line[], newStock: readonly number[]): Record<string, unknown>[] {
  if (newStock.length !== lines.length) {
    throw new TypeError(
      `Cannot answer ${lines.length} lines: current number of figures is ${newStock.length}`,
    );
  }
  return lines.map(({ sku, amount }, i) => ({ sku, amount, new_stock: newStock[i] }));
}

/** The figure of a command that has one line. */
export function onlyFigure(figures: readonly number[]): number {
  const [figure] = figures;
  if (figure === undefined || figures.length > 1) {
    throw new TypeError(
      `Cannot answer a command of one line: current number of figures is ${figures.length}`,
    );
  }
  return figure;
}
