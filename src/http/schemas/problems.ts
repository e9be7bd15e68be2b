/**
 * All refusals and errors of the API, one row per code. Responses and the OpenAPI document are made from this table.
 *
 * @module
 */
import { limits } from "../../domain/command.ts";
import { scopes } from "../../runtime/settings/access.ts";
import { list, object } from "./containers.ts";
import { constant, integer, moment, oneOf, ref, type Schema, type Schemas, text, units } from "./schema.ts";

/** One code, and the members of its problem in addition to the common ones. */
interface Problem {
  /** HTTP status. */
  readonly status: number;
  /** The meaning; constant. */
  readonly title: string;
  /** Members that are always present. */
  readonly required: Schemas;
  /** Optional members. */
  readonly optional: Schemas;
  /** Headers, by their component name. */
  readonly headers: readonly string[];
  /** `sale`: a response to any sale. `undecided`: a response to any operation that calls the store. */
  readonly group: "sale" | "undecided" | null;
}

const sku = text("The SKU.");
const orderId = text("The order.");
const returnId = text("The return.");
const adjustmentId = text("The adjustment.");
const available = units("Available units at the decision.");
const rulesVersion = integer(0, Number.MAX_SAFE_INTEGER, "The version of the rules; 0: no rules.");
const retryAfterMs = integer(0, Number.MAX_SAFE_INTEGER, "Retry-After in milliseconds.");
const limit = integer(1, limits.quantityMax, "The limit.");
const deadline = moment("The time after which the request can no longer take effect.");

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

/** All codes. A code never changes its meaning. */
export const problems = {
  invalid_request: row(400, "The request is not valid", { errors: list(ref("FieldError"), 1, 200) }),
  invalid_host: row(400, "The Host header is not valid"),
  unauthorized: withHeader("WwwAuthenticate", row(401, "A valid token is needed")),
  forbidden: withHeader(
    "WwwAuthenticate",
    row(403, "The token lacks the required scope", { scope: oneOf(scopes, "The required scope.") }),
  ),
  blocked: sale(403, "The buyer is blocked"),
  purchase_token_required: sale(403, "The SKU is sold with a purchase token only", { sku }),
  purchase_token_invalid: sale(403, "The purchase token is not valid", { sku }),
  not_found: row(404, "No resource exists at this path"),
  unknown_order: row(404, "The order is unknown", ofOrder, ofReturn),
  unknown_reservation: row(404, "The reservation is unknown", ofOrder),
  unknown_sku: sale(404, "The SKU is unknown", { sku }),
  cross_site_request: row(403, "A page of another site may not call the API"),
  method_not_allowed: withHeader("Allow", row(405, "The method is not allowed at this path")),
  body_timeout: row(408, "The body did not arrive in time"),
  insufficient_stock: sale(409, "There is not enough stock", { sku, available }),
  sku_paused: sale(409, "The SKU is paused", { sku }),
  not_open: sale(409, "The sale is not open yet", { sku, opens_at: moment("When the sale opens.") }),
  sale_closed: sale(409, "The sale is over", { sku, closes_at: moment("When the sale closed.") }),
  quota_exceeded: sale(409, "The user has reached the quota", {
    sku,
    quota: integer(1, limits.amountMax, "Units that a user may buy."),
    left: units("Units that this user may still buy."),
  }),
  stock_limit: row(409, "The stock would exceed its maximum", { sku, available, limit }),
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
    units: units("Held units."),
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
  cross_shard_basket: row(422, "The SKUs do not belong to one shard", ofOrder, ofReturn),
  order_too_large: sale(422, "The order has too many lines", { limit }, anyId),
  rate_limited: withHeader(
    "RetryAfter",
    sale(429, "The user bought this SKU too recently", { sku, retry_after_ms: retryAfterMs }),
  ),
  too_many_requests: withHeader(
    "RetryAfter",
    sale(429, "The buyer sends too many requests", { retry_after_ms: retryAfterMs }),
  ),
  internal_error: row(500, "The server has an internal error"),
  overloaded: undecided("The server is overloaded"),
  too_many_streams: withHeader("RetryAfter", row(503, "The stream limit is reached")),
  backlog_full: undecided("Too many sales wait for the ledger", "sale"),
  ledger_behind: undecided("The ledger is behind", null),
  unarmed: undecided("The stock is being verified"),
  store_unavailable: undecided("The store cannot be reached"),
  store_full: undecided("The store has no memory left"),
  outcome_unknown: undecided("Whether the request took effect is unknown"),
} as const satisfies Readonly<Record<string, Problem>>;

/** A stable, machine-readable name of a problem. */
export type ProblemCode = keyof typeof problems;

/**
 * Details of refusals whose code is the name of the store's outcome, with members in braces. `refusal.ts` fills them
 * in and needs no row for them.
 */
export const details = {
  unknown_sku: "The SKU {sku} is unknown",
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

/** Codes of undecided or unknown outcomes: every operation that calls the store may return them. */
export const undecidedCodes: readonly ProblemCode[] = codesIn("undecided");

/** Codes that any sale may return. */
export const saleCodes: readonly ProblemCode[] = [...codesIn("sale"), ...undecidedCodes];

function codesIn(group: Problem["group"]): ProblemCode[] {
  return problemCodes.filter((code) => problems[code].group === group);
}

/** Component name of a code's schema, such as `SkuPausedProblem`. */
export function problemName(code: ProblemCode): string {
  const words = code.split("_").map((word) => word.charAt(0).toUpperCase() + word.slice(1));
  return `${words.join("")}Problem`;
}

const isRefused: Schema<false> = { const: false, type: "boolean" };

/** The members of every problem. */
export const problemMembers = {
  type: { ...text("`/problems/` followed by the code."), format: "uri-reference" },
  title: text("The meaning of the code; constant."),
  status: integer(400, 599, "The HTTP status."),
  detail: text("A sentence about this occurrence."),
  code: oneOf(problemCodes),
  success: isRefused,
  message: text("The same as `detail`."),
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

/** All problems, by their component name. */
export const problemSchemas: Schemas = {
  FieldError: object({
    pointer: text("JSON pointer (RFC 6901) to the member as the client spelled it."),
    detail: text("The violated rule."),
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

/** An example of a problem. */
export function problemExample(code: ProblemCode): Readonly<Record<string, unknown>> {
  const { status, title, required } = problems[code];
  const own = Object.keys(required).map((name) => [name, sampleValues[name]]);
  const common = { type: `/problems/${code}`, title, status, detail: title, code };
  return { ...common, success: false, message: title, ...Object.fromEntries(own) };
}
