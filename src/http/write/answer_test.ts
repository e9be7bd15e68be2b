import { deepEqual, equal, throws } from "node:assert/strict";
import type { Outcome, RememberedLine } from "../../domain/outcome.ts";
import { answerOrder, answerTo, type Change } from "./answer.ts";

const nowMs = Date.UTC(2026, 10, 22, 12, 0, 0);
const context = { nowMs, token: "none" } as const;
const accepted = {
  kind: "accepted",
  seq: 7,
  newStock: [998],
  replayed: false,
  created: false,
  expiresAtMs: 0,
} as const;
const lines = [{ sku: "A", amount: 1 }, { sku: "B", amount: 2 }];
const origin = { actor: "", traceparent: "" };
const sale = { orderId: "o", userId: "u", hasToken: false, holdMs: 0, ...origin };
const deduct: Change = { kind: "deduct", ...sale, lines: [{ sku: "S", amount: 2 }] };
const basket: Change = { kind: "order", ...sale, lines };
const reserve: Change = { kind: "reserve", ...sale, lines };
const extend: Change = { kind: "extend", orderId: "o", holdMs: 1000, owner: "", ...origin };
const back = { orderId: "o", returnId: "r", lines, reason: "", ledger: null, owner: "", ...origin };
const returned: Change = { kind: "return", ...back };

function settle(kind: "confirm" | "cancel"): Change {
  return kind === "confirm"
    ? { kind, orderId: "o", lines: null, owner: "", ...origin }
    : { kind, orderId: "o", owner: "", ...origin };
}

const both = { ...accepted, newStock: [9, 8] };
const headers = { "content-type": "application/json" };
const nosniff = { "x-content-type-options": "nosniff" };
const replayedHeaders = { ...headers, ...nosniff, "idempotency-replayed": "true" };

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
  const first = answerTo(deduct, accepted, context);
  deepEqual(first, { status: 200, headers, body });
  const again = answerTo(deduct, { ...accepted, replayed: true }, context);
  deepEqual(again, { ...first, headers: replayedHeaders });
});

Deno.test("a basket says what is left of each SKU", () => {
  const body = {
    success: true,
    order_id: "o",
    lines: [{ sku: "A", amount: 1, new_stock: 9 }, { sku: "B", amount: 2, new_stock: 8 }],
    seq: 7,
    message: "success",
  };
  deepEqual(answerTo(basket, both, context), { status: 200, headers, body });
  const again = answerTo(basket, { ...both, replayed: true }, context);
  deepEqual(again, { status: 200, headers: replayedHeaders, body });
});

Deno.test("a reservation is 201 and says when it lapses, and a replay is the same again", () => {
  const outcome = { ...both, expiresAtMs: nowMs + 600_000 };
  const body = {
    success: true,
    order_id: "o",
    lines: [{ sku: "A", amount: 1, new_stock: 9 }, { sku: "B", amount: 2, new_stock: 8 }],
    expires_at: "2026-11-22T12:10:00.000Z",
    seq: 7,
    message: "success",
  };
  deepEqual(answerTo(reserve, outcome, context), { status: 201, headers, body });
  const again = answerTo(reserve, { ...outcome, replayed: true }, context);
  deepEqual(again, { status: 201, headers: replayedHeaders, body });
});

Deno.test("a confirmation and a cancellation say what became of each line", () => {
  for (const [command, state] of [["confirm", "confirmed"], ["cancel", "cancelled"]] as const) {
    const outcome: Outcome = {
      kind: "settled",
      state,
      seq: 8,
      replayed: false,
      lines: [{ sku: "A", amount: 1, available: 10 }],
    };
    const body = {
      success: true,
      order_id: "o",
      state,
      lines: [{ sku: "A", confirmed: 1, new_stock: 10 }],
      seq: 8,
      message: "success",
    };
    deepEqual(answerTo(settle(command), outcome, context), { status: 200, headers, body });
    const again = answerTo(settle(command), { ...outcome, replayed: true }, context);
    deepEqual(again, { status: 200, headers: replayedHeaders, body });
  }
});

Deno.test("an extension says when the reservation lapses now", () => {
  deepEqual(answerTo(extend, { kind: "extended", seq: 9, expiresAtMs: nowMs }, context), {
    status: 200,
    headers,
    body: {
      success: true,
      order_id: "o",
      expires_at: "2026-11-22T12:00:00.000Z",
      seq: 9,
      message: "success",
    },
  });
});

Deno.test("a return says what is available again", () => {
  const body = {
    success: true,
    order_id: "o",
    return_id: "r",
    lines: [{ sku: "A", amount: 1, new_stock: 9 }, { sku: "B", amount: 2, new_stock: 8 }],
    seq: 7,
    message: "success",
  };
  deepEqual(answerTo(returned, both, context), { status: 200, headers, body });
  const again = answerTo(returned, { ...both, replayed: true }, context);
  deepEqual(again, { status: 200, headers: replayedHeaders, body });
});

const sold: RememberedLine = {
  sku: "S",
  kind: "deduct",
  amount: 5,
  newStock: 95,
  seq: 12,
  atMs: nowMs,
  userId: "u",
  state: "accepted",
  units: 3,
  holdMs: 0,
  expiresAtMs: 0,
  settledSeq: 0,
  settledUnits: 0,
  settledStock: 0,
  actor: "",
  attempt: "",
};
const held: RememberedLine = {
  ...sold,
  kind: "reserve",
  state: "held",
  units: 5,
  holdMs: 1000,
  expiresAtMs: nowMs + 1000,
};
const settled = { settledSeq: 13, settledStock: 96 };

Deno.test("an order tells of each line what was sold, held, settled and returned", () => {
  const storyOf = (line: RememberedLine) => {
    const { body } = answerOrder({ kind: "order_found", lines: [line] }, "o", nowMs);
    const [found] = body.lines as Record<string, unknown>[];
    const { state, units, returned, expires_at, settled } = found ?? {};
    return { state, units, returned, expires_at, settled };
  };
  const expires_at = "2026-11-22T12:00:01.000Z";
  deepEqual(storyOf(sold), { state: "accepted", units: 3, returned: 2, expires_at: null, settled: null });
  deepEqual(storyOf(held), { state: "held", units: 5, returned: 0, expires_at, settled: null });
  deepEqual(storyOf({ ...held, ...settled, state: "confirmed", units: 1, settledUnits: 4 }), {
    state: "confirmed",
    units: 1,
    returned: 3,
    expires_at,
    settled: { seq: 13, confirmed: 4, new_stock: 96 },
  });
  deepEqual(storyOf({ ...held, ...settled, state: "cancelled", units: 0 }), {
    state: "cancelled",
    units: 0,
    returned: 0,
    expires_at,
    settled: { seq: 13, confirmed: 0, new_stock: 96 },
  });
  deepEqual(storyOf({ ...held, state: "expired", units: 0 }), {
    state: "expired",
    units: 0,
    returned: 0,
    expires_at,
    settled: null,
  });
});

Deno.test("every answer takes refusals from the one table, under its own ids", () => {
  const outcome: Outcome = { kind: "unarmed" };
  const order = { order_id: "o" };
  const answers = [
    [answerTo(deduct, outcome, context), order],
    [answerTo(basket, outcome, context), order],
    [answerTo(reserve, outcome, context), order],
    [answerTo(settle("confirm"), outcome, context), order],
    [answerTo(extend, outcome, context), order],
    [answerTo(returned, outcome, context), { ...order, return_id: "r" }],
    [answerOrder(outcome, "o", nowMs), order],
  ] as const;
  for (const [{ status, body }, id] of answers) {
    equal(status, 503);
    const { order_id, return_id } = body;
    deepEqual({ order_id, return_id }, { return_id: undefined, ...id });
  }
});

Deno.test("values that do not fit the lines are a program error, not a response", () => {
  throws(() => answerTo(deduct, { ...accepted, newStock: [] }, context), TypeError);
  throws(() => answerTo(deduct, both, context), TypeError);
  throws(() => answerTo(basket, accepted, context), TypeError);
  throws(() => answerTo(returned, accepted, context), TypeError);
});
