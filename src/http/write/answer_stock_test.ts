import { deepEqual, equal } from "node:assert/strict";
import type { Outcome } from "../../domain/outcome.ts";
import { answerAdjust, answerPause, answerRules, answerSet, answerStock } from "./answer_stock.ts";

const nowMs = Date.UTC(2026, 10, 22, 12, 0, 0);
const accepted = {
  kind: "accepted",
  seq: 7,
  newStock: [998],
  replayed: false,
  created: false,
  expiresAtMs: 0,
} as const;
const adjustment = { adjustmentId: "a", delta: 5, reason: "", reference: "" };
const set = { adjustmentId: "a", available: 998, expected: 5, reason: "", reference: "" };
const noRules = { opensAtMs: null, closesAtMs: null, quota: null, tokenRequired: false };
const rules = { opensAtMs: nowMs, closesAtMs: nowMs + 1, quota: 2, tokenRequired: true };
const ruleMembers = {
  opens_at: "2026-11-22T12:00:00.000Z",
  closes_at: "2026-11-22T12:00:00.001Z",
  quota: 2,
  purchase_token: true,
};
const headers = { "content-type": "application/json" };
const nosniff = { "x-content-type-options": "nosniff" };
const replayedHeaders = { ...headers, ...nosniff, "idempotency-replayed": "true" };

Deno.test("an adjustment is 201 when it made the SKU, 200 when not, and a replay is the same again", () => {
  const body = {
    success: true,
    sku: "S",
    available: 998,
    delta: 5,
    seq: 7,
    message: "success",
    adjustment_id: "a",
  };
  for (const [created, status] of [[true, 201], [false, 200]] as const) {
    const first = answerAdjust({ ...accepted, created }, "S", adjustment, nowMs);
    deepEqual(first, { status, headers, body });
    const again = answerAdjust({ ...accepted, created, replayed: true }, "S", adjustment, nowMs);
    deepEqual(again, { status, headers: replayedHeaders, body });
  }
});

Deno.test("a compare-and-set is 201 when it made the SKU, 200 when not, and a replay is the same again", () => {
  const body = { success: true, sku: "S", available: 998, seq: 7, message: "success", adjustment_id: "a" };
  for (const [created, status] of [[true, 201], [false, 200]] as const) {
    deepEqual(answerSet({ ...accepted, created }, "S", set, nowMs), { status, headers, body });
    const again = answerSet({ ...accepted, created, replayed: true }, "S", set, nowMs);
    deepEqual(again, { status, headers: replayedHeaders, body });
  }
});

Deno.test("a pause and its end say whether the SKU is paused now", () => {
  for (const [command, paused] of [["pause", true], ["resume", false]] as const) {
    const body = { success: true, sku: "S", paused, seq: 7, message: "success" };
    deepEqual(answerPause(accepted, command, "S", nowMs), { status: 200, headers, body });
  }
});

const asked = { ...rules, expected: 5 };

Deno.test("new rules are said back, in UTC", () => {
  const body = { success: true, sku: "S", ...ruleMembers, rules_version: 7, seq: 7, message: "success" };
  deepEqual(answerRules(accepted, "S", asked, nowMs), { status: 200, headers, body });
  const created: Outcome = { ...accepted, created: true };
  deepEqual(answerRules(created, "S", asked, nowMs), { status: 201, headers, body });
});

Deno.test("a look at the stock is answered fresh, with its rules and its shard", () => {
  const figures = { sku: "S", available: 3, reserved: 1, paused: false, seq: 7 };
  deepEqual(answerStock({ kind: "stock", ...figures, ...rules, rulesVersion: 5 }, 3, nowMs), {
    status: 200,
    headers: { ...headers, ...nosniff, "cache-control": "no-store" },
    body: { ...figures, ...ruleMembers, rules_version: 5, shard: 3 },
  });
  const { body } = answerStock({ kind: "stock", ...figures, ...noRules, rulesVersion: 0 }, 3, nowMs);
  const { opens_at, closes_at, quota, purchase_token } = body;
  deepEqual([opens_at, closes_at, quota, purchase_token], [null, null, null, false]);
});

Deno.test("every answer takes refusals from the one table, under its own ids", () => {
  const outcome: Outcome = { kind: "unarmed" };
  const answers = [
    [answerAdjust(outcome, "S", adjustment, nowMs), "a"],
    [answerSet(outcome, "S", set, nowMs), "a"],
    [answerPause(outcome, "pause", "S", nowMs), undefined],
    [answerRules(outcome, "S", asked, nowMs), undefined],
    [answerStock(outcome, 3, nowMs), undefined],
  ] as const;
  for (const [{ status, body }, adjustmentId] of answers) {
    deepEqual([status, body.code, body.adjustment_id], [503, "unarmed", adjustmentId]);
  }
  equal(answerPause({ kind: "unknown_sku", sku: "S" }, "resume", "S", nowMs).status, 404);
});
