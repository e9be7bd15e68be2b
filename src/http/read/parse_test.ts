import { deepEqual, equal, fail, ok } from "node:assert/strict";
import fc from "fast-check";
import { limits } from "../../domain/command.ts";
import { parseDeduct, parseSku } from "./parse.ts";
import { errorsOf, pointersOf, valueOf } from "../../../tests/http/scripted_inventory.ts";

const order = { sku: "SKU_1", user_id: "u1", order_id: "o1", amount: 2 };

Deno.test("parseDeduct() takes the documented spelling and the other one, also mixed", () => {
  const lines = [{ sku: "SKU_1", amount: 2 }];
  const parsed = { kind: "deduct", userId: "u1", orderId: "o1", lines, holdMs: 0 };
  deepEqual(valueOf(parseDeduct(order)), parsed);
  deepEqual(valueOf(parseDeduct({ SKU: "SKU_1", UserID: "u1", OrderID: "o1", Amount: 2 })), parsed);
  deepEqual(valueOf(parseDeduct({ sku: "SKU_1", UserID: "u1", order_id: "o1", Amount: 2 })), parsed);
});

Deno.test("parseDeduct() refuses both spellings of one member at once, even when they agree", () => {
  deepEqual(errorsOf(parseDeduct({ ...order, SKU: "SKU_1", Amount: 2 })), [
    { pointer: "/SKU", detail: "is sku in another spelling: send one of them" },
    { pointer: "/Amount", detail: "is amount in another spelling: send one of them" },
  ]);
});

Deno.test("parseDeduct() names everything that is wrong at once, as the client spelled it", () => {
  deepEqual(errorsOf(parseDeduct({ SKU: "", UserID: 7, amount: 0, color: "red", "a/b~c": 1 })), [
    { pointer: "/SKU", detail: "must not be empty" },
    { pointer: "/UserID", detail: "must be a string" },
    { pointer: "/order_id", detail: "is missing" },
    { pointer: "/amount", detail: "must be an integer from 1 to 1000000" },
    { pointer: "/color", detail: "is not a member of this request" },
    { pointer: "/a~1b~0c", detail: "is not a member of this request" },
  ]);
  deepEqual(pointersOf(parseDeduct({})), ["/sku", "/user_id", "/order_id", "/amount"]);
});

Deno.test("parseDeduct() refuses what is not an object", () => {
  for (const body of [null, [], [order], "text", 1, true]) {
    deepEqual(errorsOf(parseDeduct(body)), [{ pointer: "", detail: "the body must be a JSON object" }]);
  }
});

Deno.test("parseDeduct() takes integers from 1 to a million, however JSON writes them", () => {
  for (const [written, amount] of [["1", 1], ["1e3", 1000], ["1.0", 1], ["1000000", 1_000_000]] as const) {
    const body = JSON.parse(`{"sku":"s","user_id":"u","order_id":"o","amount":${written}}`);
    deepEqual(valueOf(parseDeduct(body)).lines, [{ sku: "s", amount }]);
  }
  const refused = [
    "0",
    "-0",
    "-1",
    "1000001",
    "1.5",
    "1e400",
    "-1e400",
    "9007199254740993",
    "1e-7",
    '"1"',
    "null",
    "[1]",
    "{}",
    "true",
  ];
  for (const written of refused) {
    const body = JSON.parse(`{"sku":"s","user_id":"u","order_id":"o","amount":${written}}`);
    deepEqual(pointersOf(parseDeduct(body)), ["/amount"], written);
  }
});

Deno.test("an id has 1 to 128 bytes of UTF-8, however many characters that are", () => {
  const longest = ["x".repeat(128), "é".repeat(64), "🎫".repeat(32), "-", "...", "a b", "'\"\\{}%/~"];
  for (const sku of longest) equal(valueOf(parseDeduct({ ...order, sku })).lines[0]?.sku, sku);
  const tooLong = ["x".repeat(129), "é".repeat(65), `${"🎫".repeat(32)}x`, "x".repeat(1_000_000)];
  for (const sku of tooLong) {
    deepEqual(errorsOf(parseDeduct({ ...order, sku })), [
      { pointer: "/sku", detail: "must be at most 128 bytes of UTF-8" },
    ]);
  }
});

Deno.test("an id is no dot, has no space at an end and nothing invisible", () => {
  const cases: [id: string, rule: RegExp][] = [
    [".", /must not be \. or \.\./],
    ["..", /must not be \. or \.\./],
    [" a", /begin or end with a space/],
    ["a ", /begin or end with a space/],
    [" ", /begin or end with a space/],
    ...["\u200b", "\ufeff", "\u00a0", "\u202e", "\u2066", "\u2028", "\u3000"].map((
      invisible,
    ): [string, RegExp] => [
      `a${invisible}b`,
      /invisible characters/,
    ]),
  ];
  for (const [sku, rule] of cases) {
    const [error] = errorsOf(parseDeduct({ ...order, sku }));
    ok(rule.test(error?.detail ?? ""), `${JSON.stringify(sku)}: ${error?.detail}`);
  }
});

Deno.test("an id has no control characters, no half surrogate pairs and no mark of broken UTF-8", () => {
  const broken = {
    "must not contain control characters": ["\0", "a\u0000b", "\n", "\u001f", "\u007f", "\u0080", "é\u009f"],
    "must be well-formed Unicode: it has half of a surrogate pair": ["\ud800", "a\udc00", "\udfff\ud800"],
    "must not contain U+FFFD, which stands for bytes that were not UTF-8": ["\ufffd", "a\ufffdb"],
  };
  for (const [detail, texts] of Object.entries(broken)) {
    for (const text of texts) {
      for (const member of ["sku", "user_id", "order_id"]) {
        deepEqual(errorsOf(parseDeduct({ ...order, [member]: text })), [{ pointer: `/${member}`, detail }]);
      }
    }
  }
});

Deno.test("names of the prototype are unknown members like any other and change nothing", () => {
  const body = JSON.parse(
    '{"__proto__":{"sku":"s"},"constructor":1,"toString":2,"user_id":"u","order_id":"o","amount":1}',
  );
  deepEqual(pointersOf(parseDeduct(body)), ["/sku", "/__proto__", "/constructor", "/toString"]);
  equal(({} as Record<string, unknown>).sku, undefined);
});

Deno.test("an answer stays small however many unknown members a body has, and however long they are", () => {
  const many = Object.fromEntries(Array.from({ length: 50_000 }, (_, i) => [`member${i}`, i]));
  const errors = errorsOf(parseDeduct({ ...order, ...many }));
  equal(errors.length, 21);
  deepEqual(errors.at(-1), { pointer: "", detail: "49980 more members are not known" });
  deepEqual(errorsOf(parseDeduct({ ...order, ["x".repeat(100_000)]: 1 })), [
    { pointer: "", detail: "a member with a name of 100000 characters is not known" },
  ]);
});

Deno.test("parseDeduct() takes whatever JSON brings without throwing, and lets only rule-abiding orders through", () => {
  const text = fc.oneof(
    fc.string({ unit: "binary", maxLength: 140 }),
    fc.constantFrom("s", "\ud800", "\0", ""),
  );
  const member = fc.oneof(text, fc.jsonValue(), fc.integer({ min: -2, max: 1_000_002 }));
  const names = ["sku", "SKU", "user_id", "UserID", "order_id", "OrderID", "amount", "Amount"];
  const body = fc.oneof(
    fc.jsonValue(),
    fc.dictionary(fc.constantFrom(...names, "other"), member),
    fc.record({ sku: text, user_id: text, order_id: text, amount: fc.integer({ min: -2, max: 1_000_002 }) }),
  );
  fc.assert(fc.property(body, (body) => {
    const checked = parseDeduct(body);
    if (checked.kind === "refused") return errorsOf(checked).length > 0;
    const { userId, orderId, lines } = checked.value;
    const { sku, amount } = lines[0] ?? fail();
    for (const id of [sku, userId, orderId]) {
      const bytes = new TextEncoder().encode(id);
      ok(bytes.length >= 1 && bytes.length <= limits.idBytesMax && !/[\p{Cc}\p{Cs}]/u.test(id));
    }
    return Number.isInteger(amount) && amount >= 1 && amount <= limits.amountMax;
  }));
});

Deno.test("parseSku() decodes a path's segment once and strictly", () => {
  const segments = {
    "SKU_1": "SKU_1",
    "a%20b": "a b",
    "a%2Fb": "a/b",
    "%25ff": "%ff",
    "%C3%A9": "é",
    "+": "+",
  };
  for (const [segment, sku] of Object.entries(segments)) equal(valueOf(parseSku(segment)), sku);
  for (const segment of ["%", "%f", "%zz", "%ff", "%C3", "%00", "%0a", "%EF%BF%BD", "", "x".repeat(129)]) {
    deepEqual(pointersOf(parseSku(segment)), ["/sku"], segment);
  }
});
