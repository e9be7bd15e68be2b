/**
 * Every refusal and error that a client can get, one row a code. The answers and the document are made of this table.
 *
 * @module
 */
import { limits } from "../../domain/command.ts";
import { scopes } from "../../runtime/settings/access.ts";
import { list, object } from "./containers.ts";
import { constant, integer, moment, oneOf, ref, type Schema, type Schemas, text, units } from "./schema.ts";

/** What a code means, and what its problem has beyond the members that every problem has. */
interface Problem {
  /** HTTP status. */
  readonly status: number;
  /** What it means, always the same. */
  readonly title: string;
  /** Members that are always there. */
  readonly required: Schemas;
  /** Members that may be there. */
  readonly optional: Schemas;
  /** Headers among the document's components. */
  readonly headers: readonly string[];
  /** `sale`: any sale may be refused so. `undecided`: so may whatever asks the store. */
  readonly group: "sale" | "undecided" | null;
}

const sku = text("The SKU that it is about.");
const orderId = text("The order that it is about.");
const returnId = text("The return that it is about.");
const adjustmentId = text("The adjustment that it is about.");
const available = units("Available units when it was decided.");
const rulesVersion = integer(0, Number.MAX_SAFE_INTEGER, "The version of the rules; 0: none were set.");
const retryAfterMs = integer(0, Number.MAX_SAFE_INTEGER, "As Retry-After, to the millisecond.");
const limit = integer(1, limits.quantityMax, "The bound.");
const deadline = moment("Until when the request may still take effect; past when it certainly took none.");

const ofOrder = { order_id: orderId };
const ofReturn = { return_id: returnId };
const anyId = { order_id: orderId, return_id: returnId, adjustment_id: adjustmentId };

function row(status: number, title: string, required: Schemas = {}, optional: Schemas = {}): Problem {
  return { status, title, required, optional, headers: [], group: null };
}

function sale(...args: Parameters<typeof row>): Problem {
  return { ...row(...args), group: "sale" };
}

function undecided(title: string, group: Problem["group"] = "undecided"): Problem {
  return { ...row(503, title, { deadline }, anyId), group, headers: ["RetryAfter"] };
}

function withHeader(header: string, problem: Problem): Problem {
  return { ...problem, headers: [header] };
}

/** Every code a client can meet. A code never changes its meaning. */
export const problems = {
  invalid_request: row(400, "The request is not valid", { errors: list(ref("FieldError"), 1, 200) }),
  invalid_host: row(400, "The Host header is not valid"),
  unauthorized: withHeader("WwwAuthenticate", row(401, "A valid token is needed")),
  forbidden: withHeader(
    "WwwAuthenticate",
    row(403, "The token does not allow this", { scope: oneOf(scopes, "What it takes.") }),
  ),
  blocked: sale(403, "This buyer may not buy"),
  purchase_token_required: sale(403, "The SKU is sold with a purchase token only", { sku }),
  purchase_token_invalid: sale(403, "The purchase token is not valid", { sku }),
  not_found: row(404, "There is nothing at this path"),
  unknown_order: row(404, "The order is not known", ofOrder, ofReturn),
  unknown_reservation: row(404, "The reservation is not known", ofOrder),
  unknown_sku: sale(404, "The SKU is not known", { sku }),
  cross_site_request: row(403, "A page of another site may not call this"),
  method_not_allowed: withHeader("Allow", row(405, "The method is not allowed at this path")),
  body_timeout: row(408, "The body did not arrive in time"),
  insufficient_stock: sale(409, "There is not enough stock", { sku, available }),
  sku_paused: sale(409, "The SKU is paused", { sku }),
  not_open: sale(409, "The sale is not open yet", { sku, opens_at: moment("When the sale opens.") }),
  sale_closed: sale(409, "The sale is over", { sku, closes_at: moment("When the sale closed.") }),
  quota_exceeded: sale(409, "The user has bought as many as one may", {
    sku,
    quota: integer(1, limits.amountMax, "Units that a user may buy."),
    left: units("Units that this user may still buy."),
  }),
  stock_limit: row(409, "The stock would exceed what a SKU can hold", { sku, available, limit }),
  stale: row(409, "The stock or its rules are not what was expected", { sku }, {
    available,
    rules_version: rulesVersion,
  }),
  already_confirmed: row(409, "The reservation was confirmed before", ofOrder),
  already_cancelled: row(409, "The reservation was cancelled before", ofOrder),
  reservation_expired: row(409, "The reservation has expired", ofOrder),
  confirm_exceeds_held: row(409, "More than the reservation holds", {
    ...ofOrder,
    sku,
    units: units("Units that are held."),
  }),
  return_exceeds_sold: row(409, "More than was sold", {
    ...ofOrder,
    ...ofReturn,
    sku,
    units: units("Units that can be returned."),
  }),
  purchase_tokens_off: row(409, "Purchase tokens are not set up"),
  body_too_large: row(413, "The body is too large"),
  unsupported_media_type: row(415, "The media type is not supported"),
  order_conflict: sale(422, "The order id was used with other contents", { ...ofOrder, sku }),
  adjustment_conflict: row(422, "The adjustment id was used with other contents", {
    adjustment_id: adjustmentId,
    sku,
  }),
  return_conflict: row(422, "The return id was used with other contents", { ...ofOrder, ...ofReturn, sku }),
  cross_shard_basket: row(422, "The SKUs do not live in one shard", ofOrder, ofReturn),
  order_too_large: sale(422, "The order has too many lines", { limit }, anyId),
  rate_limited: withHeader(
    "RetryAfter",
    sale(429, "The user bought this SKU a moment ago", { sku, retry_after_ms: retryAfterMs }),
  ),
  too_many_requests: withHeader(
    "RetryAfter",
    sale(429, "This buyer asks too often", { retry_after_ms: retryAfterMs }),
  ),
  internal_error: row(500, "Something is broken in the server"),
  overloaded: undecided("The server is overloaded"),
  too_many_streams: withHeader("RetryAfter", row(503, "No other stream can be opened now")),
  backlog_full: undecided("Too many sales wait to be booked", "sale"),
  ledger_behind: undecided("The ledger is behind", null),
  unarmed: undecided("The stock is being verified"),
  store_unavailable: undecided("The store cannot be reached"),
  store_full: undecided("The store has no memory left"),
  outcome_unknown: undecided("It is not known whether the request took effect"),
} as const satisfies Readonly<Record<string, Problem>>;

/** A stable, machine-readable name of a problem. */
export type ProblemCode = keyof typeof problems;

/**
 * Sentences of refusals that are named as the outcome of the store is, with members in braces: `refusal.ts` fills them
 * in, and needs no row for them.
 */
export const details = {
  unknown_sku: "The SKU {sku} is not known",
  unknown_order: "No line of this order was accepted",
  unknown_reservation: "Nothing was reserved under this order id",
  already_confirmed: "The reservation was confirmed before; its units can be returned",
  already_cancelled: "The reservation was cancelled before; its units are back",
  reservation_expired: "The reservation has expired; its units are back",
  not_open: "The sale of {sku} opens at {opens_at}",
  sale_closed: "The sale of {sku} closed at {closes_at}",
  rate_limited: "This user can buy {sku} again in {retry_after_ms} ms",
  quota_exceeded: "A user may buy {quota} units of {sku}; this one may buy {left} more",
} as const satisfies Readonly<Partial<Record<ProblemCode, string>>>;

/** Codes in the order of the table. */
export const problemCodes = Object.keys(problems) as readonly ProblemCode[];

/** Nothing was decided, or nobody knows: every operation that asks the store may answer so. */
export const undecidedCodes: readonly ProblemCode[] = codesIn("undecided");

/** What any sale may be refused for. */
export const saleCodes: readonly ProblemCode[] = [...codesIn("sale"), ...undecidedCodes];

function codesIn(group: Problem["group"]): ProblemCode[] {
  return problemCodes.filter((code) => problems[code].group === group);
}

/** Name of a code's schema among the components: `SkuPausedProblem`. */
export function problemName(code: ProblemCode): string {
  const words = code.split("_").map((word) => word.charAt(0).toUpperCase() + word.slice(1));
  return `${words.join("")}Problem`;
}

const isRefused: Schema<false> = { const: false, type: "boolean" };

/** The members that every problem has. */
export const problemMembers = {
  type: { ...text("`/problems/` and the code."), format: "uri-reference" },
  title: text("What the code means, always the same."),
  status: integer(400, 599, "The HTTP status again."),
  detail: text("A sentence for people about this occurrence."),
  code: oneOf(problemCodes),
  success: isRefused,
  message: text("The detail again."),
} as const satisfies Schemas;

function problemSchema(code: ProblemCode): Schema {
  const { status, title, required, optional } = problems[code];
  const common = {
    ...problemMembers,
    type: constant(`/problems/${code}`),
    title: constant(title),
    status: constant(status),
    code: constant(code),
  };
  return { ...object({ ...common, ...required }, optional), description: title };
}

/** Every problem, by its name among the components. */
export const problemSchemas: Schemas = {
  FieldError: object({
    pointer: text("JSON pointer (RFC 6901) to the member as the client spelled it."),
    detail: text("The rule that it breaks."),
  }),
  ...Object.fromEntries(problemCodes.map((code) => [problemName(code), problemSchema(code)])),
};

const sampleValues: Readonly<Record<string, unknown>> = {
  errors: [{ pointer: "/amount", detail: `must be an integer from 1 to ${limits.amountMax}` }],
  scope: "admin",
  sku: "SKU_123",
  order_id: "order-1001",
  return_id: "return-5",
  adjustment_id: "delivery-88",
  available: 0,
  opens_at: "2026-11-22T12:00:00.000Z",
  closes_at: "2026-11-22T13:00:00.000Z",
  limit: 100,
  units: 1,
  quota: 2,
  left: 0,
  retry_after_ms: 640,
  deadline: "2026-11-22T12:00:02.000Z",
};

/** A problem as it may look. */
export function problemExample(code: ProblemCode): Readonly<Record<string, unknown>> {
  const { status, title, required } = problems[code];
  const own = Object.keys(required).map((name) => [name, sampleValues[name]]);
  const common = { type: `/problems/${code}`, title, status, detail: title, code };
  return { ...common, success: false, message: title, ...Object.fromEntries(own) };
}
