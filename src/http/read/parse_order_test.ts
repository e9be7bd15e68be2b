import { deepEqual, equal, ok } from "node:assert/strict";
import { limits } from "../../domain/command.ts";
import {
  parseBasket,
  parseBatch,
  parseCancel,
  parseConfirm,
  parseExtend,
  parseReserve,
  parseReturn,
} from "./parse.ts";
import { batchBytesMax, bodyBytesMax } from "./request.ts";
import { errorsOf, pointersOf, valueOf } from "../../../tests/http/scripted_inventory.ts";

const lines = [{ sku: "A", amount: 1 }, { sku: "B", amount: 2 }];
const basket = { order_id: "o1", user_id: "u1", lines };
const many = (count: number) => Array.from({ length: count }, (_, i) => ({ sku: `S${i}`, amount: 1 }));

Deno.test("parseBasket() takes 1 to 100 lines, in their order", () => {
  const wanted = { kind: "order", orderId: "o1", userId: "u1", lines, holdMs: 0 };
  deepEqual(valueOf(parseBasket(basket)), wanted);
  equal(valueOf(parseBasket({ ...basket, lines: many(100) })).lines.length, 100);
  for (const wrong of [[], many(101), {}, "A", null, 1]) {
    deepEqual(errorsOf(parseBasket({ ...basket, lines: wrong })), [
      { pointer: "/lines", detail: "must be a list of 1 to 100" },
    ]);
  }
});

Deno.test("parseBasket() sums lines of the same SKU where the first of them is", () => {
  const doubled = [{ sku: "B", amount: 2 }, { sku: "A", amount: 1 }, { sku: "B", amount: 999_998 }];
  deepEqual(valueOf(parseBasket({ ...basket, lines: doubled })).lines, [
    { sku: "B", amount: 1_000_000 },
    { sku: "A", amount: 1 },
  ]);
  const tooMany = [...doubled, { sku: "B", amount: 1 }];
  deepEqual(errorsOf(parseBasket({ ...basket, lines: tooMany })), [
    { pointer: "/lines", detail: "must not have more than 1000000 units of B in all" },
  ]);
});

Deno.test("parseBasket() names everything that is wrong at once, with its place in the list", () => {
  const wrong = [
    { sku: "", amount: 0 },
    null,
    { sku: "A" },
    { sku: "A", amount: 1, color: "red" },
    [],
    lines[0],
  ];
  deepEqual(errorsOf(parseBasket({ order_id: "o1", lines: wrong, more: 1 })), [
    { pointer: "/user_id", detail: "is missing" },
    { pointer: "/lines/0/sku", detail: "must not be empty" },
    { pointer: "/lines/0/amount", detail: "must be an integer from 1 to 1000000" },
    { pointer: "/lines/1", detail: "must be an object" },
    { pointer: "/lines/2/amount", detail: "is missing" },
    { pointer: "/lines/3/color", detail: "is not a member of this request" },
    { pointer: "/lines/4", detail: "must be an object" },
    { pointer: "/more", detail: "is not a member of this request" },
  ]);
});

Deno.test("an answer about a list stays small however much is wrong in it", () => {
  const names = Array.from({ length: 60 }, (_, i) => [`member${i}`, i]);
  const line = Object.fromEntries(names);
  const errors = errorsOf(parseBasket({ ...basket, lines: Array(100).fill(line) }));
  // Each line: two members are missing, 20 are named, one says how many more.
  equal(errors.length, 5 * 23 + 1);
  deepEqual(errors.at(-1), { pointer: "/lines", detail: "was not read from the element 5 on" });
  deepEqual(errors[22], { pointer: "/lines/0", detail: "40 more members are not known" });
});

Deno.test("parseReserve() holds for ten minutes unless it says how long, 1 s to 4 h", () => {
  const wanted = { kind: "reserve", orderId: "o1", userId: "u1", lines, holdMs: 600_000 };
  deepEqual(valueOf(parseReserve(basket)), wanted);
  for (const ttl_seconds of [1, 14_400]) {
    equal(valueOf(parseReserve({ ...basket, ttl_seconds })).holdMs, ttl_seconds * 1000);
  }
  for (const ttl_seconds of [0, 14_401, 1.5, "600", null]) {
    deepEqual(pointersOf(parseReserve({ ...basket, ttl_seconds })), ["/ttl_seconds"], `${ttl_seconds}`);
  }
});

Deno.test("parseConfirm() takes lines or, for everything, none", () => {
  deepEqual(valueOf(parseConfirm({})), { lines: null });
  deepEqual(valueOf(parseConfirm({ lines })), { lines });
  for (const wrong of [[], null]) deepEqual(pointersOf(parseConfirm({ lines: wrong })), ["/lines"]);
  deepEqual(pointersOf(parseConfirm([])), [""]);
});

Deno.test("parseCancel() takes nothing", () => {
  equal(valueOf(parseCancel({})), null);
  deepEqual(pointersOf(parseCancel({ lines })), ["/lines"]);
  deepEqual(pointersOf(parseCancel(null)), [""]);
});

Deno.test("parseExtend() must say how long", () => {
  deepEqual(valueOf(parseExtend({ ttl_seconds: 900 })), { holdMs: 900_000 });
  for (const body of [{}, { ttl_seconds: 0 }, { ttl_seconds: 14_401 }]) {
    deepEqual(pointersOf(parseExtend(body)), ["/ttl_seconds"]);
  }
});

Deno.test("parseReturn() takes an id, lines and a reason", () => {
  deepEqual(valueOf(parseReturn({ return_id: "r1", lines, reason: "too small" })), {
    returnId: "r1",
    lines,
    reason: "too small",
  });
  deepEqual(pointersOf(parseReturn({ reason: "a\nb" })), ["/return_id", "/lines", "/reason"]);
});

Deno.test("parseBatch() takes 1 to 1000 items and does not look into them", () => {
  deepEqual(valueOf(parseBatch({ items: [null, 1] })), [null, 1]);
  equal(valueOf(parseBatch({ items: Array(1000).fill(0) })).length, 1000);
  for (const items of [[], Array(1001).fill(0), {}, undefined]) {
    deepEqual(pointersOf(parseBatch({ items })), ["/items"]);
  }
});

Deno.test("the largest basket and the largest batch fit into their bodies", () => {
  const id = (n: number) => String(n).padStart(limits.idBytesMax, "x");
  const { orderLinesMax, amountMax: amount, batchItemsMax } = limits;
  const ids = { order_id: id(0), user_id: id(0) };
  const lines = Array.from({ length: orderLinesMax }, (_, n) => ({ sku: id(n), amount }));
  const items = Array.from({ length: batchItemsMax }, (_, n) => ({ ...ids, sku: id(n), amount }));
  const basket = { ...ids, lines, ttl_seconds: limits.holdLongestMs / 1000 };
  equal(valueOf(parseReserve(basket)).lines.length, orderLinesMax);
  ok(JSON.stringify(basket).length <= bodyBytesMax);
  ok(JSON.stringify({ items }).length <= batchBytesMax);
});
