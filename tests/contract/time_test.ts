/**
 * Settings are facts of the deployment, and time may go back: what a shard then remembers, limits and holds.
 */
import assert from "node:assert/strict";
import type { Command, Sale } from "../../src/domain/command.ts";
import type { DecisionLimits } from "../../src/domain/limits.ts";
import type { Outcome } from "../../src/domain/outcome.ts";
import { sharedRedis } from "../../tools/servers/shared.ts";
import { makeSteppedMemory, makeSteppedRedis, type SteppedStore } from "./stepped_clock.ts";
import { adjust, decide, deduct } from "./store_suite.ts";

const startMs = Date.UTC(2026, 10, 22, 12);
const [second, minute, hour] = [1000, 60_000, 3_600_000];
const limits: DecisionLimits = {
  userLimitMs: 10 * minute,
  idempotencyWindowMs: 5 * minute,
  backlogMax: 1_000_000,
};
const off = { ...limits, userLimitMs: 0 };
const origin = { actor: "", traceparent: "" };

const read = (sku: string): Command => ({ kind: "stock", sku });
const lookup = (orderId: string): Command => ({ kind: "lookup", orderId });
const kinds = (outcomes: readonly Outcome[]) => outcomes.map(({ kind }) => kind);

function reserve(orderId: string, holdMs: number): Sale {
  return { ...deduct(orderId, "S", 3), kind: "reserve", holdMs };
}

function confirm(orderId: string): Command {
  return { kind: "confirm", owner: "", orderId, lines: null, ...origin };
}

function quantities(outcome: Outcome | undefined): [available: number, reserved: number] {
  return outcome?.kind === "stock" ? [outcome.available, outcome.reserved] : assert.fail(outcome?.kind);
}

type Parts = SteppedStore & { readonly at: (sinceStartMs: number) => Promise<void> };

/** One test on each store: ten units of S, at `startMs`. */
function test(title: string, body: (parts: Parts) => Promise<void>, own: DecisionLimits = limits): void {
  const stores = {
    "memory store": () => makeSteppedMemory(own, startMs),
    "Redis store": () => makeSteppedRedis(sharedRedis("redis").url, own, startMs),
    "Valkey store": () => makeSteppedRedis(sharedRedis("valkey").url, own, startMs),
  };
  for (const [name, make] of Object.entries(stores)) {
    Deno.test(`${name}: ${title}`, async () => {
      await using parts = await make();
      await decide(parts.store, adjust("a", "S", 10));
      await body({ ...parts, at: (sinceStartMs) => parts.setTime(startMs + sinceStartMs) });
    });
  }
}

test("a caller with other settings wipes no limit: those of the deployment count", async (parts) => {
  await decide(parts.store, deduct("o-1", "S"));
  const operator = parts.asCaller({
    ...limits,
    userLimitMs: second,
    idempotencyWindowMs: minute,
    backlogMax: 1,
  });
  for (const [i, ms] of [2 * second, 4 * second, 2 * minute, 4 * minute].entries()) {
    await parts.at(ms);
    assert.deepEqual(kinds(await decide(operator, adjust(`b-${i}`, "S", 1))), ["accepted"]);
  }
  const [again, limited] = await decide(operator, deduct("o-1", "S"), deduct("o-2", "S"));
  assert.ok(again?.kind === "accepted" && again.replayed);
  assert.deepEqual(limited, { kind: "rate_limited", sku: "S", retryAfterMs: 6 * minute });
});

test("a setting that is changed decides from the worker's next acknowledgement on", async (parts) => {
  await decide(parts.store, deduct("o-1", "S"));
  await parts.acknowledge({ ...limits, userLimitMs: 0 });
  assert.deepEqual(kinds(await decide(parts.store, deduct("o-2", "S"))), ["accepted"]);
  await parts.acknowledge({ ...limits, userLimitMs: hour, backlogMax: 1 }, 1);
  await parts.at(30 * minute);
  assert.deepEqual(kinds(await decide(parts.store, deduct("o-3", "S"), deduct("o-3", "S", 1, "bob"))), [
    "rate_limited",
    "backlog_full",
  ]);
});

test("an order with an open hold is never forgotten, also when the window is lowered", async (parts) => {
  await decide(parts.store, reserve("held", 5 * minute), reserve("lapses", 5 * minute), deduct("o", "S"));
  const short = { ...off, idempotencyWindowMs: minute };
  for (let ms = 70 * second; ms < 5 * minute; ms += 70 * second) {
    await parts.at(ms);
    await decide(parts.store, adjust(`turn-${ms}`, "S", 0));
    await parts.acknowledge(short);
  }
  assert.deepEqual(kinds(await decide(parts.store, confirm("held"))), ["settled"]);
  await parts.at(5 * minute);
  const [stock, late] = await decide(parts.store, read("S"), confirm("lapses"));
  assert.deepEqual(quantities(stock), [6, 0]);
  assert.equal(late?.kind, "reservation_expired");
  for (const ms of [7 * minute, 9 * minute, 11 * minute]) {
    await parts.at(ms);
    await parts.acknowledge(short);
    await decide(parts.store, adjust(`turn-${ms}`, "S", 0));
  }
  const [held, lapsed, order] = await decide(parts.store, confirm("held"), confirm("lapses"), lookup("o"));
  assert.deepEqual([held?.kind, lapsed?.kind], ["unknown_reservation", "unknown_reservation"]);
  assert.ok(order?.kind === "order" && order.lines.length === 0 && order.windowMs === minute);
}, off);

test("an extended hold is remembered to its new end when the window is lowered", async (parts) => {
  await decide(parts.store, reserve("held", minute));
  await parts.at(30 * second);
  await decide(parts.store, { kind: "extend", owner: "", orderId: "held", holdMs: 5 * minute, ...origin });
  for (let ms = 70 * second; ms < 5 * minute; ms += 70 * second) {
    await parts.at(ms);
    await parts.acknowledge({ ...off, idempotencyWindowMs: minute });
    await decide(parts.store, adjust(`turn-${ms}`, "S", 0));
  }
  assert.deepEqual(kinds(await decide(parts.store, confirm("held"))), ["settled"]);
}, off);

test(
  "a window that is raised keeps what is remembered, and lets nothing be forgotten early",
  async (parts) => {
    await decide(parts.store, deduct("o", "S", 2));
    await parts.at(4 * minute);
    await parts.acknowledge({ ...off, idempotencyWindowMs: hour });
    for (const ms of [6 * minute, 12 * minute, 59 * minute]) {
      await parts.at(ms);
      await parts.acknowledge({ ...off, idempotencyWindowMs: hour });
      await decide(parts.store, adjust(`turn-${ms}`, "S", 0));
    }
    const [again] = await decide(parts.store, deduct("o", "S", 2));
    assert.ok(again?.kind === "accepted" && again.replayed);
  },
  off,
);

test("only what the ledger has is forgotten, however long it lags", async (parts) => {
  await decide(parts.store, deduct("o", "S", 2));
  for (let day = 1; day <= 3; day++) {
    await parts.at(24 * day * hour);
    await parts.acknowledge(limits, 1);
    await decide(parts.store, adjust(`day-${day}`, "S", 0));
  }
  const [again, order] = await decide(parts.store, deduct("o", "S", 2), lookup("o"));
  assert.ok(again?.kind === "accepted" && again.replayed);
  assert.ok(order?.kind === "order" && order.lines.length === 1 && order.forgottenSeq === 0);
  await parts.acknowledge(limits);
  await decide(parts.store, adjust("applied", "S", 0));
  const [forgotten] = await decide(parts.store, lookup("o"));
  assert.ok(forgotten?.kind === "order" && forgotten.lines.length === 0);
  assert.ok(forgotten.forgottenSeq >= 2, "the order's number is among those that may be forgotten");
});

test("a clock that is set back an hour lets no buyer wait longer than the limit", async (parts) => {
  await decide(parts.store, deduct("o-1", "S"), deduct("o-1", "S", 1, "bob"));
  await parts.at(-hour);
  const [first] = await decide(parts.store, deduct("o-2", "S"));
  assert.deepEqual(first, { kind: "rate_limited", sku: "S", retryAfterMs: 10 * minute });
  await parts.at(-hour + 4 * minute);
  const [later] = await decide(parts.store, deduct("o-2", "S"));
  assert.deepEqual(later, { kind: "rate_limited", sku: "S", retryAfterMs: 6 * minute });
  await parts.at(-hour + 10 * minute);
  assert.deepEqual(kinds(await decide(parts.store, deduct("o-2", "S"))), ["accepted"]);
});

test("a clock that is set back an hour does not stop what is old from being forgotten", async (parts) => {
  await decide(parts.store, deduct("o-1", "S"));
  for (let ms = -hour; ms <= -hour + 13 * minute; ms += 2 * minute) {
    await parts.at(ms);
    await parts.acknowledge(off);
    await decide(parts.store, adjust(`turn-${ms}`, "S", 0));
  }
  const [order] = await decide(parts.store, lookup("o-1"));
  assert.ok(order?.kind === "order" && order.lines.length === 0);
}, off);

test("a clock that jumps ahead and comes back keeps limits within their length, and orders a window", async (parts) => {
  await parts.at(10 * minute);
  await decide(parts.store, deduct("ahead", "S"));
  await parts.acknowledge(limits);
  await parts.at(second);
  const [limited] = await decide(parts.store, deduct("o-1", "S"), adjust("b", "S", 0));
  assert.deepEqual(limited, { kind: "rate_limited", sku: "S", retryAfterMs: 10 * minute });
  await parts.at(second + 5 * minute - 1);
  await parts.acknowledge(limits);
  await decide(parts.store, adjust("c", "S", 0));
  const [again] = await decide(parts.store, deduct("ahead", "S"));
  assert.ok(again?.kind === "accepted" && again.replayed);
  await parts.at(second + 10 * minute);
  assert.deepEqual(kinds(await decide(parts.store, deduct("o-1", "S"))), ["accepted"]);
});

test("a hold lasts until the time in its reply, whatever the clock did meanwhile", async (parts) => {
  const [held] = await decide(parts.store, reserve("r", 2 * minute));
  assert.ok(held?.kind === "accepted");
  assert.equal(held.expiresAtMs, startMs + 2 * minute);
  await parts.at(-hour);
  assert.deepEqual(quantities((await decide(parts.store, read("S")))[0]), [7, 3]);
  await parts.at(2 * minute - 1);
  assert.deepEqual(quantities((await decide(parts.store, read("S")))[0]), [7, 3]);
  await parts.at(2 * minute);
  assert.deepEqual(quantities((await decide(parts.store, read("S")))[0]), [10, 0]);
}, off);
