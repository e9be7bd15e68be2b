/**
 * Converts the server's JSON to the client's values. Throws for members that the server does not send.
 *
 * @module
 */
import {
  codeMembers,
  type CodeReason,
  type DeductAccepted,
  type Extended,
  type FieldError,
  type FoundLine,
  type LineAfter,
  type OrderAccepted,
  type OrderFound,
  type PurchaseTokenIssued,
  type Reason,
  type Refused,
  type ReserveAccepted,
  type ReturnAccepted,
  type Settled,
  textMembers,
} from "./outcome.ts";
import { type Answer, retryAfterMs } from "./retry.ts";
import type { PauseChanged, RulesChanged, SaleRules, Stock, StockChanged } from "./stock.ts";

type Json = Readonly<Record<string, unknown>>;

/** Reads the response to a deduct. */
export function readDeduct(answer: Answer): DeductAccepted {
  return { kind: "accepted", ...effect(answer.body), ...lineAfter(answer.body), replayed: replayed(answer) };
}

/** Reads the response to a basket. */
export function readOrder(answer: Answer): OrderAccepted {
  const { body } = answer;
  return {
    kind: "accepted",
    ...effect(body),
    lines: list(body, "lines").map(lineAfter),
    replayed: replayed(answer),
  };
}

/** Reads the response to a reservation. */
export function readReserve(answer: Answer): ReserveAccepted {
  return { ...readOrder(answer), expiresAt: text(answer.body, "expires_at") };
}

/** Reads the response to a return. */
export function readReturn(answer: Answer): ReturnAccepted {
  return { ...readOrder(answer), returnId: text(answer.body, "return_id") };
}

/** Reads the response to a confirmation or a cancellation. */
export function readSettled(answer: Answer): Settled {
  const { body } = answer;
  const state = text(body, "state");
  if (state !== "confirmed" && state !== "cancelled") throw wrong("state", "a state that is settled", state);
  const lines = list(body, "lines").map((line) => ({
    sku: text(line, "sku"),
    confirmed: integer(line, "confirmed"),
    newStock: integer(line, "new_stock"),
  }));
  return { kind: "settled", ...effect(body), state, lines, replayed: replayed(answer) };
}

/** Reads the response to an extension. */
export function readExtended({ body }: Answer): Extended {
  return { kind: "extended", ...effect(body), expiresAt: text(body, "expires_at") };
}

/** Reads an order. */
export function readFound({ body }: Answer): OrderFound {
  return { kind: "found", orderId: text(body, "order_id"), lines: list(body, "lines").map(foundLine) };
}

/** Reads the response to a stock change. */
export function readStockChanged(answer: Answer): StockChanged {
  const { status, body } = answer;
  return {
    kind: "changed",
    sku: text(body, "sku"),
    available: integer(body, "available"),
    created: status === 201,
    seq: integer(body, "seq"),
    replayed: replayed(answer),
  };
}

/** Reads the response to a pause or a resume. */
export function readPauseChanged({ body }: Answer): PauseChanged {
  return {
    kind: body.paused === true ? "paused" : "resumed",
    sku: text(body, "sku"),
    seq: integer(body, "seq"),
  };
}

/** Reads the response to a request for a purchase token. */
export function readPurchaseToken({ body }: Answer): PurchaseTokenIssued {
  return {
    kind: "issued",
    purchaseToken: text(body, "purchase_token"),
    orderId: text(body, "order_id"),
    expiresAt: text(body, "expires_at"),
  };
}

/** Reads the items of a batch. Each becomes a response, as of a single deduct. */
export function readBatchItems({ body }: Answer): Answer[] {
  return list(body, "items").map((item) => {
    const headers = new Headers();
    if (item.replayed === true) headers.set("idempotency-replayed", "true");
    if (typeof item.retry_after === "number") headers.set("retry-after", String(item.retry_after));
    return { status: integer(item, "status"), headers, body: item };
  });
}

/** Reads the stock and rules of a SKU. */
export function readStock({ body }: Answer): Stock {
  return {
    kind: "stock",
    sku: text(body, "sku"),
    available: integer(body, "available"),
    reserved: integer(body, "reserved"),
    paused: body.paused === true,
    ...saleRules(body),
    rulesVersion: integer(body, "rules_version"),
  };
}

/** Reads the response to new rules. */
export function readRulesChanged({ status, body }: Answer): RulesChanged {
  return {
    kind: "ruled",
    sku: text(body, "sku"),
    created: status === 201,
    ...saleRules(body),
    rulesVersion: integer(body, "rules_version"),
  };
}

function saleRules(body: Json): SaleRules {
  return {
    opensAt: body.opens_at === null ? null : text(body, "opens_at"),
    closesAt: body.closes_at === null ? null : text(body, "closes_at"),
    quota: body.quota === null ? null : integer(body, "quota"),
    purchaseToken: body.purchase_token === true,
  };
}

/** Reads a refusal. Unknown codes become `unrecognized`; it never throws. */
export function readRefused({ status, headers, body }: Answer, afterUnknown = false): Refused {
  const detail = typeof body.detail === "string" ? body.detail : "";
  const common = {
    kind: "refused",
    status,
    detail,
    retryAfterMs: retryAfterMs(headers),
    afterUnknown,
  } as const;
  const name = typeof body.code === "string" ? body.code : "";
  try {
    return { ...common, ...reason(name, body) };
  } catch {
    return { ...common, code: "unrecognized", name };
  }
}

function reason(name: string, body: Json): Reason {
  if (isKnown(name)) {
    return { code: name, ...membersOf(body, codeMembers[name]) } as CodeReason;
  }
  switch (name) {
    case "invalid_request":
      return { code: name, errors: list(body, "errors").map(fieldError) };
    case "stale": {
      const orNull = (member: string) => body[member] === undefined ? null : integer(body, member);
      const [available, rulesVersion] = [
        orNull("available"),
        orNull("rules_version"),
      ];
      return { code: name, sku: text(body, "sku"), available, rulesVersion };
    }
    default:
      return { code: "unrecognized", name };
  }
}

function isKnown(name: string): name is keyof typeof codeMembers {
  return Object.hasOwn(codeMembers, name);
}

function membersOf(body: Json, members: readonly string[]): Json {
  const isText = (member: string) => (textMembers as readonly string[]).includes(member);
  return Object.fromEntries(members.map((member) => {
    const name = member.replaceAll(
      /[A-Z]/g,
      (letter) => `_${letter.toLowerCase()}`,
    );
    return [member, isText(member) ? text(body, name) : integer(body, name)];
  }));
}

function fieldError(error: Json): FieldError {
  return { pointer: text(error, "pointer"), detail: text(error, "detail") };
}

function foundLine(line: Json): FoundLine {
  return {
    ...lineAfter(line),
    userId: text(line, "user_id"),
    kind: text(line, "kind"),
    state: text(line, "state"),
    units: integer(line, "units"),
    returned: integer(line, "returned"),
    acceptedAt: text(line, "accepted_at"),
    expiresAt: line.expires_at === null ? null : text(line, "expires_at"),
  };
}

function lineAfter(line: Json): LineAfter {
  return { sku: text(line, "sku"), amount: integer(line, "amount"), newStock: integer(line, "new_stock") };
}

function effect(body: Json) {
  return { orderId: text(body, "order_id"), seq: integer(body, "seq") };
}

function replayed({ headers }: Answer): boolean {
  return headers.get("idempotency-replayed") === "true";
}

function text(from: Json, name: string): string {
  const value = from[name];
  if (typeof value !== "string") throw wrong(name, "a text", value);
  return value;
}

function integer(from: Json, name: string): number {
  const value = from[name];
  if (typeof value !== "number" || !Number.isSafeInteger(value)) throw wrong(name, "an integer", value);
  return value;
}

function list(from: Json, name: string): readonly Json[] {
  const value = from[name];
  if (!Array.isArray(value)) throw wrong(name, "a list", value);
  return value.map((element: unknown) => {
    if (typeof element !== "object" || element === null) throw wrong(name, "a list of objects", element);
    return element as Json;
  });
}

function wrong(name: string, wanted: string, value: unknown): TypeError {
  return new TypeError(
    `Cannot read ${name}: it must be ${wanted}, current value is ${JSON.stringify(value)}`,
  );
}
