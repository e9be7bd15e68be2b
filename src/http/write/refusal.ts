/**
 * The table from refusals to HTTP. Every outcome has its row here, or its sentence in `details` of `problems.ts`; the
 * compiler checks that none is missing.
 *
 * @module
 */
import { type Command, limits } from "../../domain/command.ts";
import type { Outcome } from "../../domain/outcome.ts";
import { forbidden } from "./problem.ts";
import { problem, retryLater } from "./problem.ts";
import { details, type ProblemCode, problems } from "../schemas/problems.ts";
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
  if (isNamed(outcome)) return namedRefusal(outcome, asked);
  // Each row takes its own kind, and `kind` chose the row.
  const row = rows[outcome.kind] as ((outcome: Outcome, asked: Asked) => Answer) | undefined;
  if (row === undefined) {
    throw new TypeError(
      `Cannot answer an outcome that has no row: current value is ${JSON.stringify(outcome)}`,
    );
  }
  return row(outcome, asked);
}

/** An outcome whose name is the code of its refusal. */
type Named = Extract<Outcome, { kind: keyof typeof details }>;

type Rows = {
  readonly [Kind in Exclude<Outcome["kind"], Named["kind"]>]: (
    outcome: Extract<Outcome, { kind: Kind }>,
    asked: Asked,
  ) => Answer;
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

function isNamed(outcome: Outcome): outcome is Named {
  return Object.hasOwn(details, outcome.kind);
}

/** A refusal that {@link details} describes. Its members are those of its schema: ids that were asked, and fields. */
function namedRefusal(outcome: Named, { id }: Asked): Answer {
  const { kind: code } = outcome;
  const { required, optional } = problems[code];
  const members: Record<string, unknown> = {};
  for (const name of Object.keys({ ...required, ...optional })) {
    const value = id[name] ?? memberOf(outcome, name);
    if (value !== undefined) members[name] = value;
  }
  const detail = details[code].replaceAll(/\{(\w+)\}/g, (_, name) => String(members[name]));
  return outcome.kind === "rate_limited"
    ? retryLater(code, detail, outcome.retryAfterMs, members)
    : problem(code, detail, { members });
}

/** `left` is the field `left`, `retry_after_ms` is `retryAfterMs`; a moment such as `opens_at` is `opensAtMs`. */
function memberOf(outcome: Readonly<Record<string, unknown>>, name: string): unknown {
  const field = name.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
  const ms = outcome[`${field}Ms`];
  return typeof ms === "number" ? instant(ms) : outcome[field];
}

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
