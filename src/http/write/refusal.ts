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
import { SharedAnswers } from "./shared_answers.ts";

/** The purchase token of a sale: none, or the result of its check; undecided until the deployment is known. */
export type TokenVerdict = "valid" | "invalid" | "none" | "undecided";

/** Properties of the request that a row may use. */
export interface Asked {
  readonly command: Command["kind"];
  /** The ids to repeat in the response, as members; empty for a read. */
  readonly id: Readonly<Record<string, string>>;
  /** Wall clock, milliseconds since 1970. */
  readonly nowMs: number;
  /** The purchase token of the sale. */
  readonly token: TokenVerdict;
}

const sharedRefusals = new SharedAnswers();

/** The response to an outcome other than success. */
export function refusal(outcome: Outcome, asked: Asked): Answer {
  const make = () => refuse(outcome, asked);
  // The refusals that all buyers of a SKU get: sold out, paused, and outside the times of its sale.
  if (outcome.kind === "insufficient") {
    return sharedRefusals.get(outcome.sku, outcome.kind, outcome.available, make);
  }
  if (outcome.kind === "paused") return sharedRefusals.get(outcome.sku, outcome.kind, 0, make);
  if (outcome.kind !== "stock" && "opensAtMs" in outcome) {
    return sharedRefusals.get(outcome.sku, outcome.kind, outcome.opensAtMs, make);
  }
  if (outcome.kind !== "stock" && "closesAtMs" in outcome) {
    return sharedRefusals.get(outcome.sku, outcome.kind, outcome.closesAtMs, make);
  }
  return make();
}

function refuse(outcome: Outcome, asked: Asked): Answer {
  if (isNamed(outcome)) return namedRefusal(outcome, asked);
  // Each row takes its own kind, and `kind` selected the row.
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

// Values of Retry-After, ms. A queue empties in milliseconds, but the header counts in seconds. A worker that takes
// over resumes, verifies and applies within 5 s.
const retryOverloadedMs = 1000;
const retryStoreMs = 1000;
const retryUnarmedMs = 2000;
const retryBacklogMs = 5000;
// Memory becomes free when an operator raises maxmemory, or when the log is applied and trimmed.
const retryFullMs = 5000;

const rows: Rows = {
  // The request contradicts an earlier one or exceeds a limit.
  conflict: ({ sku }, { command, id }) =>
    problem(conflictCode(command), "The same id was used before, with other contents", {
      members: { ...id, sku },
    }),
  forbidden: () =>
    forbidden("admin", "Another token sold these lines: changing them requires the scope admin"),
  cross_shard: (_, { id }) =>
    problem(
      "cross_shard_basket",
      "The SKUs belong to several shards: a reservation or a return cannot span them, and a basket only if the API has " +
        "DATABASE_URL. SKUs with the same {tag} in their names are in one shard",
      { members: id },
    ),
  order_full: (_, { id }) =>
    problem("order_too_large", `An order can have ${limits.orderLinesMax} lines`, {
      members: { ...id, limit: limits.orderLinesMax },
    }),

  // The reservation or the sale is in another state.
  exceeds: ({ sku, units }, { command, id }) =>
    command === "return"
      ? problem("return_exceeds_sold", `${units} units of ${sku} can be returned`, {
        members: { ...id, sku, units },
      })
      : problem("confirm_exceeds_held", `${units} units of ${sku} are held`, {
        members: { ...id, sku, units },
      }),

  // The SKU cannot be sold or changed now.
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
      : problem("purchase_token_required", `Buying ${sku} requires the header Purchase-Token`, {
        members: { sku },
      }),

  // Undecided, or unknown.
  outcome_unknown: ({ deadlineMs }, asked) =>
    undecided(
      "outcome_unknown",
      "The request may have taken effect, or may until the deadline. Send it again, unchanged",
      deadlineMs - asked.nowMs,
      asked,
      deadlineMs,
    ),
  overloaded: (_, asked) =>
    undecided("overloaded", "Too many requests wait for a decision", retryOverloadedMs, asked),
  late: (_, asked) =>
    undecided("overloaded", "The request waited too long and was dropped", retryOverloadedMs, asked),
  postponed: (_, asked) =>
    undecided("overloaded", "The request waited too long and was dropped", retryOverloadedMs, asked),
  backlog_full: (_, asked) =>
    undecided("backlog_full", "Too many sales wait for the ledger", retryBacklogMs, asked),
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

  // Successes of other commands.
  accepted: unexpected,
  settled: unexpected,
  extended: unexpected,
  stock: unexpected,
  order: unexpected,
  // The service decides a basket of several shards, and answers for it.
  pending: unexpected,
  // The service asks the ledger instead.
  forgotten: unexpected,
};

function isNamed(outcome: Outcome): outcome is Named {
  return Object.hasOwn(details, outcome.kind);
}

/**
 * A refusal that {@link details} describes. Its members are those of its schema: ids of the request, and fields of
 * the outcome.
 */
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

/** A time as JSON has it. */
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
 * A 503. `deadline` is the time until which the request may still take effect; it is the time of the response when
 * the request certainly had no effect.
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

function unexpected(outcome: Outcome, { command }: Asked): never {
  throw new TypeError(
    `Cannot answer the command ${command} with the outcome of another: current value is ${outcome.kind}`,
  );
}

/** The response to a request that a stopping process refuses; another process may accept it. */
export function stoppingProblem(nowMs: number): Answer {
  const detail = "This process is stopping. The request had no effect";
  return retryLater("overloaded", detail, 1000, { deadline: instant(nowMs) });
}
