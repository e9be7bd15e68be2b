import { deepEqual, equal, ok } from "node:assert/strict";
import { parseAdjust, parsePause, parseRules, parseSet } from "./parse.ts";
import { errorsOf, pointersOf, valueOf } from "../../../tests/http/scripted_inventory.ts";

const adjustment = { adjustment_id: "a1", delta: 5 };
const set = { adjustment_id: "a1", available: 7, expected: 5 };
const noRules = { opens_at: null, closes_at: null, quota: null, purchase_token: false, expected: 5 };

Deno.test("parseAdjust() takes deltas of both signs and zero, and texts that are left out as empty", () => {
  deepEqual(valueOf(parseAdjust(adjustment)), { adjustmentId: "a1", delta: 5, reason: "", reference: "" });
  const full = { adjustment_id: "a1", delta: -1e12, reason: "broken", reference: "PO 7 – é" };
  deepEqual(valueOf(parseAdjust(full)), {
    adjustmentId: "a1",
    delta: -1e12,
    reason: "broken",
    reference: "PO 7 – é",
  });
  ok(Object.is(valueOf(parseAdjust({ adjustment_id: "a1", delta: -0 })).delta, 0), "-0 becomes 0");
});

Deno.test("parseAdjust() names everything that is wrong at once", () => {
  const body = { adjustment_id: "\n", delta: 1e12 + 1, reason: 7, reference: "x".repeat(257), sku: "s" };
  deepEqual(errorsOf(parseAdjust(body)), [
    { pointer: "/adjustment_id", detail: "must not contain control characters" },
    { pointer: "/delta", detail: "must be an integer from -1000000000000 to 1000000000000" },
    { pointer: "/reason", detail: "must be a string" },
    { pointer: "/reference", detail: "must be at most 256 characters" },
    { pointer: "/sku", detail: "is not a member of this request" },
  ]);
  deepEqual(pointersOf(parseAdjust({})), ["/adjustment_id", "/delta"]);
  deepEqual(pointersOf(parseAdjust([])), [""]);
});

Deno.test("a reason has up to 256 characters of clean text, counted as people count", () => {
  for (const reason of ["", "🎫".repeat(256), "x".repeat(256)]) {
    equal(valueOf(parseAdjust({ ...adjustment, reason })).reason, reason);
  }
  for (const reason of ["🎫".repeat(257), "x".repeat(257), "a\tb", "\ud800", "\ufffd", null]) {
    deepEqual(pointersOf(parseAdjust({ ...adjustment, reason })), ["/reason"]);
  }
});

Deno.test("parseSet() takes what is expected, and null for a SKU that must not exist", () => {
  const words = { reason: "count", reference: "sheet 3" };
  deepEqual(valueOf(parseSet({ ...set, ...words })), {
    adjustmentId: "a1",
    available: 7,
    expected: 5,
    ...words,
  });
  const { expected, available } = valueOf(parseSet({ ...set, available: 0, expected: null }));
  deepEqual({ expected, available }, { expected: null, available: 0 });
  ok(Object.is(valueOf(parseSet({ ...set, expected: -0 })).expected, 0), "-0 becomes 0");
});

Deno.test("parseSet() requires the expected stock, and accepts no negative stock", () => {
  deepEqual(errorsOf(parseSet({ adjustment_id: "a1", available: -1 })), [
    { pointer: "/available", detail: "must be an integer from 0 to 1000000000000" },
    { pointer: "/expected", detail: "is missing" },
  ]);
  for (const expected of [-1, 1.5, "5", 1e12 + 1, [], false]) {
    deepEqual(pointersOf(parseSet({ ...set, expected })), ["/expected"], `${expected}`);
  }
  deepEqual(pointersOf(parseSet([])), [""]);
});

Deno.test("parsePause() takes a reason or none", () => {
  deepEqual(valueOf(parsePause({})), { reason: "" });
  deepEqual(valueOf(parsePause({ reason: "price is wrong" })), { reason: "price is wrong" });
  deepEqual(pointersOf(parsePause({ until: "tomorrow" })), ["/until"]);
  deepEqual(pointersOf(parsePause(null)), [""]);
});

Deno.test("parseRules() takes all rules, kept in UTC", () => {
  deepEqual(valueOf(parseRules(noRules)), {
    opensAtMs: null,
    closesAtMs: null,
    quota: null,
    tokenRequired: false,
    expected: 5,
  });
  const all = {
    opens_at: "2026-11-22T20:00:00+08:00",
    closes_at: "2026-11-22T12:00:00.001Z",
    quota: 2,
    purchase_token: true,
    expected: null,
  };
  const noon = Date.UTC(2026, 10, 22, 12);
  deepEqual(valueOf(parseRules(all)), {
    opensAtMs: noon,
    closesAtMs: noon + 1,
    quota: 2,
    tokenRequired: true,
    expected: null,
  });
});

Deno.test("parseRules() lets no rule be left out, because it would be lifted in silence", () => {
  deepEqual(pointersOf(parseRules({})), [
    "/opens_at",
    "/closes_at",
    "/quota",
    "/purchase_token",
    "/expected",
  ]);
});

Deno.test("parseRules() refuses what is no rule", () => {
  const wrong: readonly (readonly [string, unknown[]])[] = [
    ["opens_at", ["", 0, 1_800_000_000_000, "2026-11-22T24:00:00Z", "2026-12-31T23:59:60Z", "2026-11-22"]],
    ["closes_at", ["tomorrow", true]],
    ["quota", [0, -1, 1.5, 1_000_001, "2"]],
    ["purchase_token", [null, 1, "true"]],
    ["expected", [-1, 1.5, "5", true]],
  ];
  for (const [name, values] of wrong) {
    for (const value of values) {
      deepEqual(pointersOf(parseRules({ ...noRules, [name]: value })), [`/${name}`], `${name}: ${value}`);
    }
  }
});

Deno.test("parseRules() wants a sale to open before it closes", () => {
  const opens_at = "2026-11-22T12:00:00Z";
  for (const closes_at of [opens_at, "2026-11-22T12:00:00+00:01"]) {
    deepEqual(errorsOf(parseRules({ ...noRules, opens_at, closes_at })), [
      { pointer: "/closes_at", detail: "must be after opens_at" },
    ]);
  }
});
