import { deepEqual, equal, ok, throws } from "node:assert/strict";
import type { Outcome } from "../../domain/outcome.ts";
import { type Asked, refusal } from "./refusal.ts";

const nowMs = Date.UTC(2026, 10, 22, 12, 0, 0);
const now = "2026-11-22T12:00:00.000Z";
const id = { order_id: "o" };
const asked: Asked = { command: "deduct", id, nowMs, token: "none" };

/** A refusal, and what every client must see of it: status, code, Retry-After, members of its own. */
interface Row {
  readonly outcome: Outcome;
  readonly asked?: Partial<Asked>;
  readonly status: number;
  readonly code: string;
  readonly retryAfter?: string;
  readonly members: Record<string, unknown>;
}

const refusals: readonly Row[] = [
  { outcome: { kind: "unknown_sku", sku: "S" }, status: 404, code: "unknown_sku", members: { sku: "S" } },
  { outcome: { kind: "unknown_order" }, status: 404, code: "unknown_order", members: id },
  { outcome: { kind: "unknown_reservation" }, status: 404, code: "unknown_reservation", members: id },
  { outcome: { kind: "cross_shard" }, status: 422, code: "cross_shard_basket", members: id },
  { outcome: { kind: "order_full" }, status: 422, code: "order_too_large", members: { ...id, limit: 100 } },
  { outcome: { kind: "already_confirmed" }, status: 409, code: "already_confirmed", members: id },
  { outcome: { kind: "already_cancelled" }, status: 409, code: "already_cancelled", members: id },
  { outcome: { kind: "reservation_expired" }, status: 409, code: "reservation_expired", members: id },
  {
    outcome: { kind: "exceeds", sku: "S", units: 2 },
    asked: { command: "confirm" },
    status: 409,
    code: "confirm_exceeds_held",
    members: { ...id, sku: "S", units: 2 },
  },
  {
    outcome: { kind: "exceeds", sku: "S", units: 2 },
    asked: { command: "return" },
    status: 409,
    code: "return_exceeds_sold",
    members: { ...id, sku: "S", units: 2 },
  },
  {
    outcome: { kind: "stale", sku: "S", available: 4 },
    status: 409,
    code: "stale",
    members: { sku: "S", available: 4 },
  },
  {
    outcome: { kind: "stale_rules", sku: "S", version: 4 },
    status: 409,
    code: "stale",
    members: { sku: "S", rules_version: 4 },
  },
  { outcome: { kind: "paused", sku: "S" }, status: 409, code: "sku_paused", members: { sku: "S" } },
  {
    outcome: { kind: "not_open", sku: "S", opensAtMs: nowMs },
    status: 409,
    code: "not_open",
    members: { sku: "S", opens_at: now },
  },
  {
    outcome: { kind: "sale_closed", sku: "S", closesAtMs: nowMs },
    status: 409,
    code: "sale_closed",
    members: { sku: "S", closes_at: now },
  },
  {
    outcome: { kind: "token_required", sku: "S" },
    status: 403,
    code: "purchase_token_required",
    members: { sku: "S" },
  },
  {
    outcome: { kind: "token_required", sku: "S" },
    asked: { token: "invalid" },
    status: 403,
    code: "purchase_token_invalid",
    members: { sku: "S" },
  },
  {
    outcome: { kind: "quota_exceeded", sku: "S", quota: 2, left: 1 },
    status: 409,
    code: "quota_exceeded",
    members: { sku: "S", quota: 2, left: 1 },
  },
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
    outcome: { kind: "postponed", lines: 100 },
    status: 503,
    code: "overloaded",
    retryAfter: "1",
    members: { deadline: now },
  },
  {
    outcome: { kind: "ledger_behind" },
    status: 503,
    code: "ledger_behind",
    retryAfter: "5",
    members: { deadline: now },
  },
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

function expectProblem(row: Row, context: Asked, members: Record<string, unknown>) {
  const answer = refusal(row.outcome, context);
  const { title, detail, ...rest } = answer.body;
  equal(typeof title, "string");
  equal(typeof detail, "string");
  const { status, code } = row;
  deepEqual(rest, { type: `/problems/${code}`, status, code, success: false, message: detail, ...members });
  equal(answer.status, status);
  const { "retry-after": retryAfter, ...headers } = answer.headers;
  deepEqual(headers, {
    "content-type": "application/problem+json",
    ...(row.retryAfter === undefined ? {} : { "x-content-type-options": "nosniff" }),
  });
  const least = Number(row.retryAfter);
  const most = status === 503 ? 3 * least : least;
  ok(
    row.retryAfter === undefined ? retryAfter === undefined : isWithin(Number(retryAfter), least, most),
    `${code}: Retry-After ${retryAfter}`,
  );
}

function isWithin(value: number, least: number, most: number): boolean {
  return Number.isInteger(value) && least <= value && value <= most;
}

Deno.test("every refusal has its status, code and members", () => {
  for (const row of refusals) expectProblem(row, { ...asked, ...row.asked }, row.members);
});

Deno.test("every 503 says when to come back, under which id, and until when the request may take effect", () => {
  for (const row of undecided) {
    expectProblem(row, asked, { ...row.members, order_id: "o" });
    const ids = { order_id: "o", return_id: "r" };
    expectProblem(row, { ...asked, command: "return", id: ids }, { ...row.members, ...ids });
    expectProblem(row, { ...asked, command: "stock", id: {} }, row.members);
  }
});

Deno.test("a 503 does not tell clients what is wrong with which server", () => {
  const { body } = refusal({ kind: "store_unavailable", reason: "LOADING at 10.0.0.7" }, asked);
  ok(!JSON.stringify(body).includes("LOADING"));
});

Deno.test("a conflict names the kind of id that was used before", () => {
  const codes = {
    deduct: "order_conflict",
    order: "order_conflict",
    reserve: "order_conflict",
    return: "return_conflict",
    adjust: "adjustment_conflict",
    set: "adjustment_conflict",
  } as const;
  for (const [command, code] of Object.entries(codes)) {
    const context = { ...asked, command: command as keyof typeof codes };
    const row = { outcome: { kind: "conflict", sku: "S" }, status: 422, code, members: {} } as const;
    expectProblem(row, context, { ...id, sku: "S" });
  }
});

Deno.test("Retry-After is whole seconds, rounded up, and at least one", () => {
  const seconds = (retryAfterMs: number) =>
    refusal({ kind: "rate_limited", sku: "S", retryAfterMs }, asked).headers["retry-after"];
  deepEqual([0, 1, 1000, 1001, 86_400_000].map(seconds), ["1", "1", "1", "2", "86400"]);
  const past = refusal({ kind: "outcome_unknown", deadlineMs: nowMs - 5000 }, asked);
  ok(isWithin(Number(past.headers["retry-after"]), 1, 3));
});

Deno.test("clients that hear 503 in the same moment are spread over the seconds in which they come back", () => {
  const counts = new Map<string, number>();
  for (let i = 0; i < 900; i++) {
    const seconds = refusal({ kind: "overloaded" }, asked).headers["retry-after"] ?? "";
    counts.set(seconds, (counts.get(seconds) ?? 0) + 1);
  }
  deepEqual([...counts.keys()].sort(), ["1", "2", "3"]);
  ok([...counts.values()].every((count) => count > 290), JSON.stringify([...counts]));
});

Deno.test("a success of another command, and an unknown outcome, is a program error, not a response", () => {
  throws(
    () => refusal({ kind: "order", lines: [], forgottenSeq: 0, windowMs: 0 }, asked),
    /command deduct .* current value is order/,
  );
  throws(() => refusal({ kind: "extended", seq: 1, expiresAtMs: 1 }, asked), TypeError);
  throws(() => refusal({ kind: "new" } as unknown as Outcome, asked), /no row/);
});
