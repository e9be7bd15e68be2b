import { deepEqual, equal } from "node:assert/strict";
import type { Outcome } from "../../domain/outcome.ts";
import { answerStock, answerTo, type Change } from "./answer.ts";

const nowMs = Date.UTC(2026, 10, 22, 12, 0, 0);
const accepted = {
  kind: "accepted",
  seq: 7,
  newStock: [998],
  replayed: false,
  created: false,
  expiresAtMs: 0,
} as const;
const context = { nowMs, token: "none" } as const;
const common = { sku: "S", reason: "", reference: "", actor: "", traceparent: "" };
const adjustment: Change = { kind: "adjust", adjustmentId: "a", delta: 5, ...common };
const set: Change = { kind: "set", adjustmentId: "a", available: 998, expected: 5, ...common };
const pause = (kind: "pause" | "resume"): Change => ({ kind, ...common });
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
    const first = answerTo(adjustment, { ...accepted, created }, context);
    deepEqual(first, { status, headers, body });
    const again = answerTo(adjustment, { ...accepted, created, replayed: true }, context);
    deepEqual(again, { status, headers: replayedHeaders, body });
  }
});

Deno.test("a compare-and-set is 201 when it made the SKU, 200 when not, and a replay is the same again", () => {
  const body = { success: true, sku: "S", available: 998, seq: 7, message: "success", adjustment_id: "a" };
  for (const [created, status] of [[true, 201], [false, 200]] as const) {
    deepEqual(answerTo(set, { ...accepted, created }, context), { status, headers, body });
    const again = answerTo(set, { ...accepted, created, replayed: true }, context);
    deepEqual(again, { status, headers: replayedHeaders, body });
  }
});

Deno.test("a pause and its end say whether the SKU is paused now", () => {
  for (const [command, paused] of [["pause", true], ["resume", false]] as const) {
    const body = { success: true, sku: "S", paused, seq: 7, message: "success" };
    deepEqual(answerTo(pause(command), accepted, context), { status: 200, headers, body });
  }
});

const asked: Change = { kind: "rules", ...rules, expected: 5, ...common };

Deno.test("new rules are said back, in UTC", () => {
  const body = { success: true, sku: "S", ...ruleMembers, rules_version: 7, seq: 7, message: "success" };
  deepEqual(answerTo(asked, accepted, context), { status: 200, headers, body });
  const created: Outcome = { ...accepted, created: true };
  deepEqual(answerTo(asked, created, context), { status: 201, headers, body });
});

Deno.test("a read of a SKU is not cached, and has its rules and its shard", () => {
  const quantities = { sku: "S", available: 3, reserved: 1, paused: false, seq: 7 };
  deepEqual(answerStock({ kind: "stock", ...quantities, ...rules, rulesVersion: 5 }, 3, nowMs), {
    status: 200,
    headers: { ...headers, ...nosniff, "cache-control": "no-store" },
    body: { ...quantities, ...ruleMembers, rules_version: 5, shard: 3 },
  });
  const { body } = answerStock({ kind: "stock", ...quantities, ...noRules, rulesVersion: 0 }, 3, nowMs);
  const { opens_at, closes_at, quota, purchase_token } = body;
  deepEqual([opens_at, closes_at, quota, purchase_token], [null, null, null, false]);
});

Deno.test("every answer takes refusals from the one table, under its own ids", () => {
  const outcome: Outcome = { kind: "unarmed" };
  const answers = [
    [answerTo(adjustment, outcome, context), "a"],
    [answerTo(set, outcome, context), "a"],
    [answerTo(pause("pause"), outcome, context), undefined],
    [answerTo(asked, outcome, context), undefined],
    [answerStock(outcome, 3, nowMs), undefined],
  ] as const;
  for (const [{ status, body }, adjustmentId] of answers) {
    deepEqual([status, body.code, body.adjustment_id], [503, "unarmed", adjustmentId]);
  }
  equal(answerTo(pause("resume"), { kind: "unknown_sku", sku: "S" }, context).status, 404);
});
