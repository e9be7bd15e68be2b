import { deepEqual, equal, ok, throws } from "node:assert/strict";
import type { Outcome } from "../inventory/outcome.ts";
import { answerAdjust, answerDeduct, answerStock } from "./answer.ts";
import type { AdjustBody, DeductBody } from "./parse.ts";

const nowMs = Date.UTC(2026, 10, 22, 12, 0, 0);
const now = "2026-11-22T12:00:00.000Z";
const order: DeductBody = { sku: "S", userId: "u", orderId: "o", amount: 2 };
const adjustment: AdjustBody = { adjustmentId: "a", delta: 5, reason: "", reference: "" };
const accepted = { kind: "accepted", seq: 7, newStock: [998], replayed: false, created: false } as const;
const stock = { kind: "stock", sku: "S", available: 3, reserved: 1, paused: false, seq: 7 } as const;

/** A refusal, and what every client must see of it: status, code, Retry-After, members of its own. */
interface Row {
  readonly outcome: Outcome;
  readonly status: number;
  readonly code: string;
  readonly retryAfter?: string;
  readonly members: Record<string, unknown>;
}

const refusals: readonly Row[] = [
  { outcome: { kind: "unknown_sku", sku: "S" }, status: 404, code: "unknown_sku", members: { sku: "S" } },
  { outcome: { kind: "paused", sku: "S" }, status: 409, code: "sku_paused", members: { sku: "S" } },
  {
    outcome: { kind: "insufficient", sku: "S", available: 1 },
    status: 409,
    code: "insufficient_stock",
    members: { sku: "S", available: 1 },
  },
  {
    outcome: { kind: "stock_limit", sku: "S", available: 9 },
    status: 409,
    code: "stock_limit",
    members: { sku: "S", available: 9, limit: 1e12 },
  },
  {
    outcome: { kind: "rate_limited", sku: "S", retryAfterMs: 1001 },
    status: 429,
    code: "rate_limited",
    retryAfter: "2",
    members: { sku: "S", retry_after_ms: 1001 },
  },
];

const undecided: readonly Row[] = [
  {
    outcome: { kind: "overloaded" },
    status: 503,
    code: "overloaded",
    retryAfter: "1",
    members: { deadline: now },
  },
  { outcome: { kind: "late" }, status: 503, code: "overloaded", retryAfter: "1", members: { deadline: now } },
  {
    outcome: { kind: "backlog_full" },
    status: 503,
    code: "backlog_full",
    retryAfter: "5",
    members: { deadline: now },
  },
  { outcome: { kind: "unarmed" }, status: 503, code: "unarmed", retryAfter: "2", members: { deadline: now } },
  {
    outcome: { kind: "store_unavailable", reason: "LOADING at 10.0.0.7" },
    status: 503,
    code: "store_unavailable",
    retryAfter: "1",
    members: { deadline: now },
  },
  {
    outcome: { kind: "outcome_unknown", deadlineMs: nowMs + 1500 },
    status: 503,
    code: "outcome_unknown",
    retryAfter: "2",
    members: { deadline: "2026-11-22T12:00:01.500Z" },
  },
];

function expectProblem(answer: ReturnType<typeof answerDeduct>, row: Row, own: Record<string, unknown>) {
  const { title, detail, ...rest } = answer.body;
  equal(typeof title, "string");
  equal(typeof detail, "string");
  const { status, code } = row;
  deepEqual(rest, { type: `/problems/${code}`, status, code, success: false, message: detail, ...own });
  equal(answer.status, status);
  deepEqual(answer.headers, {
    "content-type": "application/problem+json",
    ...(row.retryAfter === undefined ? {} : { "retry-after": row.retryAfter }),
  });
}

Deno.test("a deduct that was accepted says what is left, and a replay of it says the same", () => {
  const body = {
    success: true,
    new_stock: 998,
    message: "success",
    order_id: "o",
    sku: "S",
    amount: 2,
    seq: 7,
  };
  const first = answerDeduct(accepted, order, nowMs);
  deepEqual(first, { status: 200, headers: { "content-type": "application/json" }, body });
  const again = answerDeduct({ ...accepted, replayed: true }, order, nowMs);
  deepEqual(again, { ...first, headers: { ...first.headers, "idempotency-replayed": "true" } });
});

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
    deepEqual(first, { status, headers: { "content-type": "application/json" }, body });
    const again = answerAdjust({ ...accepted, created, replayed: true }, "S", adjustment, nowMs);
    deepEqual(again, { ...first, headers: { ...first.headers, "idempotency-replayed": "true" } });
  }
});

Deno.test("a look at the stock is answered fresh, with its shard", () => {
  deepEqual(answerStock(stock, 3, nowMs), {
    status: 200,
    headers: { "content-type": "application/json", "cache-control": "no-store" },
    body: { sku: "S", available: 3, reserved: 1, paused: false, shard: 3, seq: 7 },
  });
});

Deno.test("every refusal has its status, code and members, whatever was asked", () => {
  for (const row of refusals) {
    expectProblem(answerDeduct(row.outcome, order, nowMs), row, row.members);
    expectProblem(answerAdjust(row.outcome, "S", adjustment, nowMs), row, row.members);
    expectProblem(answerStock(row.outcome, 3, nowMs), row, row.members);
  }
});

Deno.test("every 503 says when to come back, under which id, and until when the request may take effect", () => {
  for (const row of undecided) {
    expectProblem(answerDeduct(row.outcome, order, nowMs), row, { ...row.members, order_id: "o" });
    expectProblem(answerAdjust(row.outcome, "S", adjustment, nowMs), row, {
      ...row.members,
      adjustment_id: "a",
    });
    expectProblem(answerStock(row.outcome, 3, nowMs), row, row.members);
  }
});

Deno.test("a 503 does not tell clients what is wrong with which server", () => {
  const { body } = answerDeduct({ kind: "store_unavailable", reason: "LOADING at 10.0.0.7" }, order, nowMs);
  ok(!JSON.stringify(body).includes("LOADING"));
});

Deno.test("a conflict names the kind of id, and an order that is full its limit", () => {
  const conflict: Outcome = { kind: "conflict", sku: "S" };
  const orderConflict = { outcome: conflict, status: 422, code: "order_conflict", members: {} };
  expectProblem(answerDeduct(conflict, order, nowMs), orderConflict, { order_id: "o", sku: "S" });
  const adjustmentConflict = { ...orderConflict, code: "adjustment_conflict" };
  expectProblem(answerAdjust(conflict, "S", adjustment, nowMs), adjustmentConflict, {
    adjustment_id: "a",
    sku: "S",
  });
  const full: Outcome = { kind: "order_full" };
  const tooLarge = { outcome: full, status: 422, code: "order_too_large", members: {} };
  expectProblem(answerDeduct(full, order, nowMs), tooLarge, { order_id: "o", limit: 100 });
});

Deno.test("Retry-After is whole seconds, rounded up, and at least one", () => {
  const seconds = (retryAfterMs: number) =>
    answerDeduct({ kind: "rate_limited", sku: "S", retryAfterMs }, order, nowMs).headers["retry-after"];
  deepEqual([0, 1, 1000, 1001, 86_400_000].map(seconds), ["1", "1", "1", "2", "86400"]);
  const past = answerDeduct({ kind: "outcome_unknown", deadlineMs: nowMs - 5000 }, order, nowMs);
  equal(past.headers["retry-after"], "1");
});

Deno.test("an outcome of another command is broken code, not an answer", () => {
  const lookup: Outcome = { kind: "order", lines: [] };
  throws(() => answerDeduct(stock, order, nowMs), TypeError);
  throws(() => answerDeduct(lookup, order, nowMs), TypeError);
  throws(() => answerAdjust(stock, "S", adjustment, nowMs), TypeError);
  throws(() => answerAdjust(lookup, "S", adjustment, nowMs), TypeError);
  throws(() => answerStock(accepted, 0, nowMs), TypeError);
  throws(() => answerStock(lookup, 0, nowMs), TypeError);
  throws(() => answerDeduct({ ...accepted, newStock: [] }, order, nowMs), TypeError);
  throws(() => answerDeduct({ ...accepted, newStock: [1, 2] }, order, nowMs), TypeError);
  throws(() => answerDeduct({ kind: "new" } as unknown as Outcome, order, nowMs), /no row/);
});
