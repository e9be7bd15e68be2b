/**
 * From untyped JSON to what a buyer's order goes through after the single deduct: baskets, reservations and
 * what becomes of them, returns.
 *
 * @module
 */
import { limits, type Line } from "../../domain/command.ts";
import { isObject, Members, type Spellings } from "./members.ts";
import { notAnObject } from "./parse.ts";
import type { BasketBody, ConfirmBody, ExtendBody, ReserveBody, ReturnBody } from "../schemas/bodies.ts";
import type { Checked } from "../write/response.ts";

/** Items of one batch: at their largest they just fit into a body. */
const batchItemsMax = 1000;
/** How long a reservation holds when it does not say, seconds. */
const holdDefaultS = 600;
const holdRangeS = [limits.holdMinMs / 1000, limits.holdMaxMs / 1000] as const;

const lineSpellings: Spellings<"sku" | "amount"> = { sku: ["sku"], amount: ["amount"] };

const batchSpellings: Spellings<"items"> = { items: ["items"] };

const basketSpellings: Spellings<"order_id" | "user_id" | "lines"> = {
  order_id: ["order_id"],
  user_id: ["user_id"],
  lines: ["lines"],
};

const reserveSpellings: Spellings<"order_id" | "user_id" | "lines" | "ttl_seconds"> = {
  ...basketSpellings,
  ttl_seconds: ["ttl_seconds"],
};

const confirmSpellings: Spellings<"lines"> = { lines: ["lines"] };

const extendSpellings: Spellings<"ttl_seconds"> = { ttl_seconds: ["ttl_seconds"] };

const returnSpellings: Spellings<"return_id" | "lines" | "reason"> = {
  return_id: ["return_id"],
  lines: ["lines"],
  reason: ["reason"],
};

/** Checks the list of a batch; its items are checked one by one, so that a wrong one is refused alone. */
export function parseBatch(body: unknown): Checked<readonly unknown[]> {
  if (!isObject(body)) return notAnObject;
  const members = new Members(body, batchSpellings);
  return members.check(members.list("items", batchItemsMax));
}

/** Checks the body of a basket. */
export function parseBasket(body: unknown): Checked<BasketBody> {
  if (!isObject(body)) return notAnObject;
  const members = new Members(body, basketSpellings);
  return members.check({
    orderId: members.id("order_id"),
    userId: members.id("user_id"),
    lines: readLines(members, "lines"),
  });
}

/** Checks the body of a reservation. */
export function parseReserve(body: unknown): Checked<ReserveBody> {
  if (!isObject(body)) return notAnObject;
  const members = new Members(body, reserveSpellings);
  return members.check({
    orderId: members.id("order_id"),
    userId: members.id("user_id"),
    lines: readLines(members, "lines"),
    holdMs: 1000 * members.optionalInteger("ttl_seconds", ...holdRangeS, holdDefaultS),
  });
}

/** Checks the body of a confirmation. */
export function parseConfirm(body: unknown): Checked<ConfirmBody> {
  if (!isObject(body)) return notAnObject;
  const members = new Members(body, confirmSpellings);
  return members.check({ lines: members.has("lines") ? readLines(members, "lines") : null });
}

/** Checks the body of a cancellation: there is nothing to say. */
export function parseCancel(body: unknown): Checked<null> {
  if (!isObject(body)) return notAnObject;
  return new Members(body, {}).check(null);
}

/** Checks the body of an extension. */
export function parseExtend(body: unknown): Checked<ExtendBody> {
  if (!isObject(body)) return notAnObject;
  const members = new Members(body, extendSpellings);
  return members.check({ holdMs: 1000 * members.integer("ttl_seconds", ...holdRangeS) });
}

/** Checks the body of a return. */
export function parseReturn(body: unknown): Checked<ReturnBody> {
  if (!isObject(body)) return notAnObject;
  const members = new Members(body, returnSpellings);
  return members.check({
    returnId: members.id("return_id"),
    lines: readLines(members, "lines"),
    reason: members.note("reason"),
  });
}

/** Lines as a command has them: each SKU once, where it was first named, with the sum of its units. */
export function readLines<Name extends string>(members: Members<Name>, name: Name): readonly Line[] {
  const lines = members.objects(name, limits.orderLinesMax, lineSpellings, (line) => ({
    sku: line.id("sku"),
    amount: line.integer("amount", 1, limits.amountMax),
  }));
  const units = new Map<string, number>();
  for (const { sku, amount } of lines) units.set(sku, (units.get(sku) ?? 0) + amount);
  if (units.size === lines.length) return lines;
  for (const [sku, amount] of units) {
    if (sku !== "" && amount > limits.amountMax) {
      members.wrong(name, `must not have more than ${limits.amountMax} units of ${sku} in all`);
    }
  }
  return Array.from(units, ([sku, amount]) => ({ sku, amount }));
}
