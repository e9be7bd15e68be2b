/**
 * The table from outcomes to HTTP. Every outcome has its row; the compiler holds the table complete.
 *
 * @module
 */
import { limits } from "../inventory/command.ts";
import type { OrderOutcome, Outcome } from "../inventory/outcome.ts";
import type { AdjustBody, DeductBody } from "./parse.ts";
import { problem, type ProblemCode, retryLater } from "./problem.ts";
import { type Answer, freshJsonHeaders, jsonHeaders } from "./response.ts";

/** What every row about a refusal may need to know of the request. */
interface Asked {
  /** Code of "same id, other contents". */
  readonly conflictCode: ProblemCode;
  /** The id to repeat in an answer that leads to another attempt, as members; empty for a read. */
  readonly id: Readonly<Record<string, string>>;
  /** Wall clock, milliseconds since 1970. */
  readonly nowMs: number;
}

/** An outcome that is not what was asked for. */
type Refusal = Exclude<Outcome, { readonly kind: "accepted" | "stock" | "order" }>;

const replayedHeaders = { ...jsonHeaders, "idempotency-replayed": "true" };

// How long to stay away, ms. A queue empties in milliseconds, but a header counts in seconds; a worker
// that takes over resumes, verifies and books within 5 s.
const retryOverloadedMs = 1000;
const retryStoreMs = 1000;
const retryUnarmedMs = 2000;
const retryBacklogMs = 5000;

/** The answer to a deduct. */
export function answerDeduct(outcome: Outcome, asked: DeductBody, nowMs: number): Answer {
  switch (outcome.kind) {
    case "accepted":
      return {
        status: 200,
        headers: outcome.replayed ? replayedHeaders : jsonHeaders,
        body: {
          success: true,
          new_stock: onlyFigure(outcome.newStock),
          message: "success",
          order_id: asked.orderId,
          sku: asked.sku,
          amount: asked.amount,
          seq: outcome.seq,
        },
      };
    case "stock":
    case "order":
      throw misplaced("deduct", outcome);
    default:
      return refusal(outcome, { conflictCode: "order_conflict", id: { order_id: asked.orderId }, nowMs });
  }
}

/** The answer to an adjustment. A replay is the first answer again, 201 included. */
export function answerAdjust(outcome: Outcome, sku: string, asked: AdjustBody, nowMs: number): Answer {
  switch (outcome.kind) {
    case "accepted":
      return {
        status: outcome.created ? 201 : 200,
        headers: outcome.replayed ? replayedHeaders : jsonHeaders,
        body: {
          success: true,
          sku,
          available: onlyFigure(outcome.newStock),
          delta: asked.delta,
          seq: outcome.seq,
          message: "success",
          adjustment_id: asked.adjustmentId,
        },
      };
    case "stock":
    case "order":
      throw misplaced("adjustment", outcome);
    default:
      return refusal(outcome, {
        conflictCode: "adjustment_conflict",
        id: { adjustment_id: asked.adjustmentId },
        nowMs,
      });
  }
}

/** The answer to a look at the stock. */
export function answerStock(outcome: Outcome, shard: number, nowMs: number): Answer {
  switch (outcome.kind) {
    case "stock": {
      const { sku, available, reserved, paused, seq } = outcome;
      return {
        status: 200,
        headers: freshJsonHeaders,
        body: { sku, available, reserved, paused, shard, seq },
      };
    }
    case "accepted":
    case "order":
      throw misplaced("read", outcome);
    default:
      return refusal(outcome, { conflictCode: "order_conflict", id: {}, nowMs });
  }
}

/** The answer to a question about an order. */
export function answerOrder(outcome: OrderOutcome, orderId: string, nowMs: number): Answer {
  const id = { order_id: orderId };
  if (outcome.kind !== "order_found") return refusal(outcome, { conflictCode: "order_conflict", id, nowMs });
  if (outcome.lines.length === 0) {
    return problem("unknown_order", `No line of the order ${orderId} was accepted`, { members: id });
  }
  const lines = outcome.lines.map((line) => ({
    sku: line.sku,
    user_id: line.userId,
    amount: line.amount,
    state: line.state,
    new_stock: line.newStock,
    seq: line.seq,
    accepted_at: new Date(line.atMs).toISOString(),
  }));
  return { status: 200, headers: freshJsonHeaders, body: { ...id, lines } };
}

/** The rows of all refusals: status by code in `problem.ts`. */
function refusal(outcome: Refusal, asked: Asked): Answer {
  switch (outcome.kind) {
    case "conflict":
      return problem(asked.conflictCode, "The same id was used before, with other contents", {
        members: { ...asked.id, sku: outcome.sku },
      });
    case "unknown_sku":
      return problem("unknown_sku", `The SKU ${outcome.sku} is not known`, { members: { sku: outcome.sku } });
    case "paused":
      return problem("sku_paused", `The SKU ${outcome.sku} is paused`, { members: { sku: outcome.sku } });
    case "insufficient":
      return problem("insufficient_stock", `${outcome.available} units of ${outcome.sku} are available`, {
        members: { sku: outcome.sku, available: outcome.available },
      });
    case "stock_limit":
      return problem("stock_limit", `A SKU can hold ${limits.quantityMax} units`, {
        members: { sku: outcome.sku, available: outcome.available, limit: limits.quantityMax },
      });
    case "order_full":
      return problem("order_too_large", `An order can have ${limits.orderLinesMax} lines`, {
        members: { ...asked.id, limit: limits.orderLinesMax },
      });
    case "rate_limited":
      return retryLater(
        "rate_limited",
        `This user can buy ${outcome.sku} again in ${outcome.retryAfterMs} ms`,
        outcome.retryAfterMs,
        { sku: outcome.sku, retry_after_ms: outcome.retryAfterMs },
      );
    case "outcome_unknown":
      return undecided(
        "outcome_unknown",
        "The request may have taken effect, or still may until the deadline. Send it again, unchanged",
        outcome.deadlineMs - asked.nowMs,
        asked,
        outcome.deadlineMs,
      );
    case "overloaded":
      return undecided("overloaded", "Too many requests wait to be decided", retryOverloadedMs, asked);
    case "late":
      return undecided("overloaded", "The request waited too long and was dropped", retryOverloadedMs, asked);
    case "backlog_full":
      return undecided("backlog_full", "Too many sales wait to be booked", retryBacklogMs, asked);
    case "unarmed":
      return undecided("unarmed", "The stock is being verified after a restart", retryUnarmedMs, asked);
    case "store_unavailable":
      return undecided("store_unavailable", "The store cannot be reached", retryStoreMs, asked);
    default:
      return impossible(outcome);
  }
}

/**
 * A 503. Its `deadline` says until when the request may still take effect; where it certainly took
 * none, that is the moment of the answer.
 */
function undecided(
  code: ProblemCode,
  detail: string,
  retryAfterMs: number,
  asked: Asked,
  deadlineMs: number = asked.nowMs,
): Answer {
  const deadline = new Date(deadlineMs).toISOString();
  return retryLater(code, detail, retryAfterMs, { ...asked.id, deadline });
}

/** Commands of this API have one line; its figure is the answer. */
function onlyFigure(figures: readonly number[]): number {
  const [figure] = figures;
  if (figure === undefined || figures.length > 1) {
    throw new TypeError(
      `Cannot answer a command of one line: current number of figures is ${figures.length}`,
    );
  }
  return figure;
}

function misplaced(asked: string, outcome: Outcome): TypeError {
  return new TypeError(
    `Cannot answer a ${asked} with the outcome of another command: current value is ${outcome.kind}`,
  );
}

function impossible(outcome: never): never {
  throw new TypeError(
    `Cannot answer an outcome that has no row: current value is ${JSON.stringify(outcome)}`,
  );
}
