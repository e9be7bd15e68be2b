/**
 * Converts untyped JSON to the contents of commands, and path segments to ids. A valid deduct takes 0.3 µs, half of
 * JSON.parse; an invalid body returns a list of all errors.
 *
 * @module
 */
import {
  type Adjust,
  type Confirm,
  type Extend,
  limits,
  type Line,
  type Origin,
  type Pause,
  type Return,
  type Sale,
  type SaleRules,
  type SetRules,
  type SetStock,
} from "../../domain/command.ts";
import { isObject } from "../schemas/containers.ts";
import { parseInstant } from "../schemas/instant.ts";
import { requests } from "../schemas/requests.ts";
import { check, type FieldError, type Schema, type Static } from "../schemas/schema.ts";
import { brokenIdRule } from "../schemas/text_rules.ts";
import { invalidRequest } from "../write/problem.ts";
import { decodeSegment } from "./request.ts";
import { type Checked, refused, valid } from "../write/response.ts";

/** The contents of a sale. */
export type Wanted = Pick<Sale, "kind" | "orderId" | "userId" | "lines" | "holdMs">;

/** Checks a body and converts it to the contents of a command. */
export type Parse<T> = (body: unknown) => Checked<T>;

/** The refusal of JSON that is not an object. */
const notAnObject: Checked<never> = refused(
  invalidRequest([{ pointer: "", detail: "the body must be a JSON object" }]),
);

function parser<Body, T>(schema: Schema<Body>, toContents: (body: Body) => T): Parse<T> {
  const checkBody = schema[check] ?? noCheck;
  return (body) => {
    if (!isObject(body)) return notAnObject;
    const errors: FieldError[] = [];
    checkBody(body, "", errors);
    return errors.length === 0 ? valid(toContents(body as Body)) : refused(invalidRequest(errors));
  };
}

function noCheck(): never {
  throw new TypeError("Cannot read a body whose schema has no check");
}

/** Parses a deduct, in both spellings of its members. */
export const parseDeduct: Parse<Wanted> = parser(requests.DeductRequest, (body) => {
  const { SKU = "", UserID = "", OrderID = "", Amount = 0 } = body as PascalDeduct;
  const { sku = SKU, user_id: userId = UserID, order_id: orderId = OrderID, amount = Amount } = body;
  return { kind: "deduct", orderId, userId, lines: [{ sku, amount }], holdMs: 0 };
});

type PascalDeduct = Partial<Static<typeof requests.DeductRequestPascal>>;

/** Parses the list of a batch, but not its items. */
export const parseBatch: Parse<readonly unknown[]> = parser(requests.BatchRequest, ({ items }) => items);

export const parseBasket: Parse<Wanted> = parser(requests.BasketRequest, (body) => ({
  kind: "order",
  orderId: body.order_id,
  userId: body.user_id,
  lines: merged(body.lines),
  holdMs: 0,
}));

export const parseReserve: Parse<Wanted> = parser(requests.ReservationRequest, (body) => ({
  kind: "reserve",
  orderId: body.order_id,
  userId: body.user_id,
  lines: merged(body.lines),
  holdMs: body.ttl_seconds === undefined ? limits.holdDefaultMs : 1000 * body.ttl_seconds,
}));

export const parseConfirm: Parse<Pick<Confirm, "lines">> = parser(
  requests.ConfirmRequest,
  ({ lines }) => ({ lines: lines === undefined ? null : merged(lines) }),
);

/** A cancellation has no contents. */
export const parseCancel: Parse<null> = parser(requests.CancelRequest, () => null);

export const parseExtend: Parse<Pick<Extend, "holdMs">> = parser(
  requests.ExtendRequest,
  (body) => ({ holdMs: 1000 * body.ttl_seconds }),
);

export const parseReturn: Parse<Pick<Return, "returnId" | "lines" | "reason">> = parser(
  requests.ReturnRequest,
  ({ return_id, lines, reason = "" }) => ({ returnId: return_id, lines: merged(lines), reason }),
);

/** Parses an adjustment. Adding 0 converts -0 to 0. */
export const parseAdjust: Parse<Pick<Adjust, "adjustmentId" | "delta" | "reason" | "reference">> = parser(
  requests.AdjustmentRequest,
  ({ adjustment_id, delta, reason = "", reference = "" }) => ({
    adjustmentId: adjustment_id,
    delta: delta + 0,
    reason,
    reference,
  }),
);

export const parseSet: Parse<Omit<SetStock, "kind" | "sku" | keyof Origin>> = parser(
  requests.SetRequest,
  ({ adjustment_id, available, expected, reason = "", reference = "" }) => ({
    adjustmentId: adjustment_id,
    available: available + 0,
    expected: expected === null ? null : expected + 0,
    reason,
    reference,
  }),
);

/** Parses a pause or a resume. */
export const parsePause: Parse<Pick<Pause, "reason">> = parser(
  requests.PauseRequest,
  ({ reason = "" }) => ({ reason }),
);

export const parseRules: Parse<SaleRules & Pick<SetRules, "expected">> = parser(
  requests.RulesRequest,
  ({ opens_at, closes_at, quota, purchase_token, expected }) => ({
    opensAtMs: instantOrNull(opens_at),
    closesAtMs: instantOrNull(closes_at),
    quota,
    tokenRequired: purchase_token,
    expected: expected === null ? null : expected + 0,
  }),
);

/** Parses a request for a purchase token. */
export const parseToken: Parse<Pick<Sale, "orderId" | "userId" | "lines"> & { readonly ttlS: number }> =
  parser(
    requests.PurchaseTokenRequest,
    ({ order_id, user_id, lines, ttl_seconds = limits.tokenTtlMaxS }) => ({
      orderId: order_id,
      userId: user_id,
      lines: merged(lines),
      ttlS: ttl_seconds,
    }),
  );

/** Decodes and checks a SKU in the path. */
export function parseSku(segment: string): Checked<string> {
  return parseIdInPath(segment, "/sku");
}

/** Decodes and checks an order id in the path. */
export function parseOrderId(segment: string): Checked<string> {
  return parseIdInPath(segment, "/order_id");
}

function parseIdInPath(segment: string, pointer: string): Checked<string> {
  const id = decodeSegment(segment);
  const rule = id === undefined ? "must be percent-encoded UTF-8" : brokenIdRule(id);
  if (id !== undefined && rule === undefined) return valid(id);
  return refused(invalidRequest([{ pointer, detail: `in the path ${rule}` }]));
}

/** Merges lines of the same SKU: each SKU at its first position, with the sum of its units. */
function merged(lines: readonly Line[]): readonly Line[] {
  const units = new Map<string, number>();
  for (const { sku, amount } of lines) units.set(sku, (units.get(sku) ?? 0) + amount);
  return units.size === lines.length ? lines : Array.from(units, ([sku, amount]) => ({ sku, amount }));
}

function instantOrNull(text: string | null): number | null {
  return text === null ? null : parseInstant(text) ?? null;
}
