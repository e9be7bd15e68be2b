/**
 * What clients get when it is not well: one schema a code, from the very table that the answers are made of.
 *
 * @module
 */
import { limits } from "../../domain/command.ts";
import { scopes } from "../../runtime/settings/config.ts";
import { type ProblemCode, problems } from "../write/problem.ts";
import { integer, list, moment, object, ref, type Schema, units } from "./json_schema.ts";

const text: Schema = { type: "string" };

/** Members beside those that every problem has. */
interface OwnMembers {
  readonly required?: Readonly<Record<string, Schema>>;
  readonly optional?: Readonly<Record<string, Schema>>;
}

const sku: Schema = { ...text, description: "The SKU that it is about." };
const orderId: Schema = { ...text, description: "The order that it is about." };
const returnId: Schema = { ...text, description: "The return that it is about." };
const adjustmentId: Schema = { ...text, description: "The adjustment that it is about." };
const available = units("Available units when it was decided.");
const rulesVersion = integer(0, Number.MAX_SAFE_INTEGER, "The version of the rules; 0: none were set.");
const retryAfterMs = integer(0, Number.MAX_SAFE_INTEGER, "As Retry-After, to the millisecond.");
const limit = integer(1, limits.quantityMax, "The bound.");

const ofOrder: OwnMembers = { required: { order_id: orderId } };
const ofOrderOrReturn: OwnMembers = { ...ofOrder, optional: { return_id: returnId } };
const ofSku: OwnMembers = { required: { sku } };

const undecided: OwnMembers = {
  required: {
    deadline: moment("Until when the request may still take effect; past when it certainly took none."),
  },
  optional: { order_id: orderId, return_id: returnId, adjustment_id: adjustmentId },
};

const ownMembers: Readonly<Record<ProblemCode, OwnMembers>> = {
  invalid_request: { required: { errors: list(ref("FieldError"), 1, 200) } },
  invalid_host: {},
  unauthorized: {},
  forbidden: { required: { scope: { enum: scopes, description: "What it takes." } } },
  blocked: {},
  purchase_token_required: ofSku,
  purchase_token_invalid: ofSku,
  not_found: {},
  unknown_order: ofOrderOrReturn,
  unknown_reservation: ofOrder,
  unknown_sku: ofSku,
  cross_site_request: {},
  method_not_allowed: {},
  body_timeout: {},
  insufficient_stock: { required: { sku, available } },
  sku_paused: ofSku,
  not_open: { required: { sku, opens_at: moment("When the sale opens.") } },
  sale_closed: { required: { sku, closes_at: moment("When the sale closed.") } },
  stock_limit: { required: { sku, available, limit } },
  stale: { required: { sku }, optional: { available, rules_version: rulesVersion } },
  already_confirmed: ofOrder,
  already_cancelled: ofOrder,
  reservation_expired: ofOrder,
  confirm_exceeds_held: { required: { order_id: orderId, sku, units: units("Units that are held.") } },
  return_exceeds_sold: {
    required: { order_id: orderId, return_id: returnId, sku, units: units("Units that can be returned.") },
  },
  purchase_tokens_off: {},
  body_too_large: {},
  unsupported_media_type: {},
  order_conflict: { required: { order_id: orderId, sku } },
  adjustment_conflict: { required: { adjustment_id: adjustmentId, sku } },
  return_conflict: { required: { order_id: orderId, return_id: returnId, sku } },
  cross_shard_basket: ofOrderOrReturn,
  order_too_large: {
    required: { limit },
    optional: { order_id: orderId, return_id: returnId, adjustment_id: adjustmentId },
  },
  rate_limited: { required: { sku, retry_after_ms: retryAfterMs } },
  quota_exceeded: {
    required: {
      sku,
      quota: integer(1, limits.amountMax, "Units that a user may buy."),
      left: units("Units that this user may still buy."),
    },
  },
  too_many_requests: { required: { retry_after_ms: retryAfterMs } },
  internal_error: {},
  overloaded: undecided,
  too_many_streams: {},
  backlog_full: undecided,
  ledger_behind: undecided,
  unarmed: undecided,
  store_unavailable: undecided,
  store_full: undecided,
  outcome_unknown: undecided,
};

/** Codes in the order of the table. */
export const problemCodes = Object.keys(problems) as readonly ProblemCode[];

/** Name of a code's schema among the components: `SkuPausedProblem`. */
export function problemName(code: ProblemCode): string {
  const words = code.split("_").map((word) => word.charAt(0).toUpperCase() + word.slice(1));
  return `${words.join("")}Problem`;
}

/** The members that every problem has. */
export function problemMembers(codes: readonly string[]): Readonly<Record<string, Schema>> {
  return {
    type: { type: "string", format: "uri-reference", description: "`/problems/` and the code." },
    title: { ...text, description: "What the code means, always the same." },
    status: integer(400, 599, "The HTTP status again."),
    detail: { ...text, description: "A sentence for people about this occurrence." },
    code: codes.length === 1 ? { const: codes[0] } : { enum: codes },
    success: { const: false, type: "boolean" },
    message: { ...text, description: "The detail again." },
  };
}

function problemSchema(code: ProblemCode): Schema {
  const [status, title] = problems[code];
  const { required = {}, optional = {} } = ownMembers[code];
  const common = {
    ...problemMembers([code]),
    type: { const: `/problems/${code}` },
    title: { const: title },
    status: { const: status },
  };
  return { ...object({ ...common, ...required }, optional), description: title };
}

/** Every problem, by its name among the components. */
export const problemSchemas: Readonly<Record<string, Schema>> = {
  FieldError: object({
    pointer: { ...text, description: "JSON pointer (RFC 6901) to the member as the client spelled it." },
    detail: { ...text, description: "The rule that it breaks." },
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
  const [status, title] = problems[code];
  const own = Object.keys(ownMembers[code].required ?? {}).map((name) => [name, sampleValues[name]]);
  const common = { type: `/problems/${code}`, title, status, detail: title, code };
  return { ...common, success: false, message: title, ...Object.fromEntries(own) };
}
