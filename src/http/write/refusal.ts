/**
 * The table from refusals to HTTP. Every outcome has its row; the compiler holds the table complete.
 *
 * @module
 */
import { type Command, limits } from "../../domain/command.ts";
import type { Outcome } from "../../domain/outcome.ts";
import { forbidden } from "./problem.ts";
import { problem, retryLater } from "./problem.ts";
import type { ProblemCode } from "../schemas/problems.ts";
import type { Answer } from "./response.ts";

/** What came with a sale: a token for it, one that is of no use, none, or one that cannot be judged yet. */
export type TokenVerdict = "valid" | "invalid" | "none" | "undecided";

/** What a row may need to know of the request. */
export interface Asked {
  /** What was asked. */
  readonly command: Command["kind"];
  /** The ids to repeat in an answer that leads to another attempt, as members; empty for a read. */
  readonly id: Readonly<Record<string, string>>;
  /** Wall clock, milliseconds since 1970. */
  readonly nowMs: number;
  /** The purchase token that came with it. */
  readonly token: TokenVerdict;
}

/** Answers an outcome that is not what was asked for. */
export function refusal(outcome: Outcome, asked: Asked): Answer {
  // Each row takes its own kind, and `kind` chose the row.
  const row = rows[outcome.kind] as ((outcome: Outcome, asked: Asked) => Answer) | undefined;
  if (row === undefined) {
    throw new TypeError(
      `Cannot answer an outcome that has no row: current value is ${JSON.stringify(outcome)}`,
    );
  }
  return row(outcome, asked);
}

type Rows = {
  readonly [Kind in Outcome["kind"]]: (outcome: Extract<Outcome, { kind: Kind }>, asked: Asked) => Answer;
};

// How long to stay away, ms. A queue empties in milliseconds, but a header counts in seconds; a worker
// that takes over resumes, verifies and books within 5 s.
const retryOverloadedMs = 1000;
const retryStoreMs = 1000;
const retryUnarmedMs = 2000;
const retryBacklogMs = 5000;
// Memory comes back when an operator raises maxmemory, or when the log is applied and trimmed.
const retryFullMs = 5000;

const rows: Rows = {
  // The request does not fit what there is.
  conflict: ({ sku }, { command, id }) =>
    problem(conflictCode(command), "The same id was used before, with other contents", {
      members: { ...id, sku },
    }),
  unknown_sku: ({ sku }) => problem("unknown_sku", `The SKU ${sku} is not known`, { members: { sku } }),
  unknown_order: (_, { id }) =>
    problem("unknown_order", "No line of this order was accepted", { members: id }),
  unknown_reservation: (_, { id }) =>
    problem("unknown_reservation", "Nothing was reserved under this order id", { members: id }),
  forbidden: () => forbidden("admin", "Another token made these lines: changing them takes the scope admin"),
  cross_shard: (_, { id }) =>
    problem(
      "cross_shard_basket",
      "The SKUs of one request must live in one shard, and these live in several. SKUs that are sold " +
        "together get the same {tag} in their names",
      { members: id },
    ),
  order_full: (_, { id }) =>
    problem("order_too_large", `An order can have ${limits.orderLinesMax} lines`, {
      members: { ...id, limit: limits.orderLinesMax },
    }),

  // What was reserved or sold is in another state.
  already_confirmed: (_, { id }) =>
    problem("already_confirmed", "The reservation was confirmed before; its units can be returned", {
      members: id,
    }),
  already_cancelled: (_, { id }) =>
    problem("already_cancelled", "The reservation was cancelled before; its units are back", { members: id }),
  reservation_expired: (_, { id }) =>
    problem("reservation_expired", "The reservation has expired; its units are back", { members: id }),
  exceeds: ({ sku, units }, { command, id }) =>
    command === "return"
      ? problem("return_exceeds_sold", `${units} units of ${sku} can be returned`, {
        members: { ...id, sku, units },
      })
      : problem("confirm_exceeds_held", `${units} units of ${sku} are held`, {
        members: { ...id, sku, units },
      }),

  // The SKU cannot be sold, or changed, now.
  stale: ({ sku, available }) =>
    problem("stale", `${available} units of ${sku} are available, not as many as expected`, {
      members: { sku, available },
    }),
  stale_rules: ({ sku, version }) =>
    problem("stale", `The rules of ${sku} are version ${version}, not the one that was expected`, {
      members: { sku, rules_version: version },
    }),
  stock_limit: ({ sku, available }) =>
    problem("stock_limit", `A SKU can hold ${limits.quantityMax} units`, {
      members: { sku, available, limit: limits.quantityMax },
    }),
  insufficient: ({ sku, available }) =>
    problem("insufficient_stock", `${available} units of ${sku} are available`, {
      members: { sku, available },
    }),
  paused: ({ sku }) => problem("sku_paused", `The SKU ${sku} is paused`, { members: { sku } }),
  not_open: ({ sku, opensAtMs }) => {
    const opens_at = instant(opensAtMs);
    return problem("not_open", `The sale of ${sku} opens at ${opens_at}`, { members: { sku, opens_at } });
  },
  sale_closed: ({ sku, closesAtMs }) => {
    const closes_at = instant(closesAtMs);
    return problem("sale_closed", `The sale of ${sku} closed at ${closes_at}`, {
      members: { sku, closes_at },
    });
  },

  // This user cannot buy now.
  token_required: ({ sku }, { token }) =>
    token === "invalid"
      ? problem(
        "purchase_token_invalid",
        "The purchase token has expired, or does not cover this order, user, SKUs and units",
        { members: { sku } },
      )
      : problem("purchase_token_required", `Buying ${sku} takes the header Purchase-Token`, {
        members: { sku },
      }),
  rate_limited: ({ sku, retryAfterMs }) =>
    retryLater("rate_limited", `This user can buy ${sku} again in ${retryAfterMs} ms`, retryAfterMs, {
      sku,
      retry_after_ms: retryAfterMs,
    }),
  quota_exceeded: ({ sku, quota, left }) =>
    problem("quota_exceeded", `A user may buy ${quota} units of ${sku}; this one may buy ${left} more`, {
      members: { sku, quota, left },
    }),

  // Nothing was decided, or nobody knows.
  outcome_unknown: ({ deadlineMs }, asked) =>
    undecided(
      "outcome_unknown",
      "The request may have taken effect, or still may until the deadline. Send it again, unchanged",
      deadlineMs - asked.nowMs,
      asked,
      deadlineMs,
    ),
  overloaded: (_, asked) =>
    undecided("overloaded", "Too many requests wait to be decided", retryOverloadedMs, asked),
  late: (_, asked) =>
    undecided("overloaded", "The request waited too long and was dropped", retryOverloadedMs, asked),
  postponed: (_, asked) =>
    undecided("overloaded", "The request waited too long and was dropped", retryOverloadedMs, asked),
  backlog_full: (_, asked) =>
    undecided("backlog_full", "Too many sales wait to be booked", retryBacklogMs, asked),
  ledger_behind: (_, asked) =>
    undecided(
      "ledger_behind",
      "Only the ledger can know this order or adjustment, and it does not have all sales yet, or cannot be asked",
      retryBacklogMs,
      asked,
    ),
  unarmed: ({ reason }, asked) =>
    undecided(
      "unarmed",
      reason === undefined ? "The stock is not verified" : `The stock is not verified: ${reason}`,
      retryUnarmedMs,
      asked,
    ),
  store_unavailable: (_, asked) =>
    undecided("store_unavailable", "The store cannot be reached", retryStoreMs, asked),
  store_full: (_, asked) =>
    undecided("store_full", "The store has no memory left for another order", retryFullMs, asked),

  // What was asked for by another command is no refusal.
  accepted: misplaced,
  settled: misplaced,
  extended: misplaced,
  stock: misplaced,
  order: misplaced,
  // The service asks the ledger then.
  forgotten: misplaced,
};

/** A moment as JSON has it. */
export function instant(ms: number): string {
  return new Date(ms).toISOString();
}

function conflictCode(command: Command["kind"]): ProblemCode {
  switch (command) {
    case "adjust":
    case "set":
      return "adjustment_conflict";
    case "return":
      return "return_conflict";
    default:
      return "order_conflict";
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
  return retryLater(code, detail, retryAfterMs, { ...asked.id, deadline: instant(deadlineMs) });
}

function misplaced(outcome: Outcome, { command }: Asked): never {
  throw new TypeError(
    `Cannot answer the command ${command} with the outcome of another: current value is ${outcome.kind}`,
  );
}

/** The answer to a request that a stopping process did not take: another process may. */
export function stoppingProblem(nowMs: number): Answer {
  const detail = "This process is stopping. The request was certainly not taken";
  return retryLater("overloaded", detail, 1000, { deadline: instant(nowMs) });
}
