/**
 * Limits at their very edge, on each store: one millisecond before, and at it.
 */
import assert from "node:assert/strict";
import type { Command, Sale } from "../../src/domain/command.ts";
import type { DecisionLimits } from "../../src/domain/limits.ts";
import type { Outcome } from "../../src/domain/outcome.ts";
import { sharedRedis } from "../../tools/servers/shared.ts";
import { makeSteppedMemory, makeSteppedRedis, type SteppedStore } from "./stepped_clock.ts";
import { returnUnits } from "./order_commands.ts";
import { adjust, decide, deduct, deployment, readAll } from "./store_suite.ts";

const startMs = Date.UTC(2026, 10, 28, 12);
const minute = 60_000;
const limits: DecisionLimits = { userLimitMs: 0, idempotencyWindowMs: 5 * minute, backlogMax: 1_000_000 };
const limited = { ...limits, userLimitMs: 10 * minute };
const origin = { actor: "", traceparent: "" };

const kinds = (outcomes: readonly Outcome[]) => outcomes.map(({ kind }) => kind);

function rules(opensAtMs: number | null, closesAtMs: number | null, expected: number): Command {
  return {
    kind: "rules",
    sku: "S",
    opensAtMs,
    closesAtMs,
    quota: null,
    tokenRequired: false,
    expected,
    ...origin,
  };
}

function reserve(orderId: string, holdMs: number): Sale {
  return { ...deduct(orderId, "S", 3), kind: "reserve", holdMs };
}

/** One test on each store: ten units of S, at `startMs`. */
function test(
  title: string,
  body: (parts: SteppedStore) => Promise<void>,
  own: DecisionLimits = limits,
): void {
  const stores = {
    "memory store": () => makeSteppedMemory(own, startMs),
    "Redis store": () => makeSteppedRedis(sharedRedis("redis").url, own, startMs),
    "Valkey store": () => makeSteppedRedis(sharedRedis("valkey").url, own, startMs),
  };
  for (const [name, make] of Object.entries(stores)) {
    Deno.test(`${name}: ${title}`, async () => {
      await using parts = await make();
      await decide(parts.store, adjust("a", "S", 10));
      await body(parts);
    });
  }
}

test("a sale is open from the millisecond when it opens, and closed from the one when it closes", async (parts) => {
  const [opens, closes] = [startMs + minute, startMs + 2 * minute];
  await decide(parts.store, rules(opens, closes, 0));
  const kindsAt: string[] = [];
  for (const [i, nowMs] of [opens - 1, opens, closes - 1, closes].entries()) {
    await parts.setTime(nowMs);
    kindsAt.push(...kinds(await decide(parts.store, deduct(`o-${i}`, "S"))));
  }
  assert.deepEqual(kindsAt, ["not_open", "accepted", "accepted", "sale_closed"]);
});

test("a command takes effect at its deadline, and not a millisecond later", async (parts) => {
  const decideBy = async (orderId: string, deadlineMs: number) => {
    const result = await parts.store.decide(0, [{ command: deduct(orderId, "S"), deadlineMs }]);
    return result.kind === "decided" ? kinds(result.outcomes) : assert.fail(result.kind);
  };
  assert.deepEqual(await decideBy("late", startMs - 1), ["late"]);
  assert.deepEqual(await decideBy("in-time", startMs), ["accepted"]);
});

test("a hold that is longer than the window is as long as the window, and then its units are back", async (parts) => {
  const [held] = await decide(parts.store, reserve("o", 8 * minute));
  assert.ok(held?.kind === "accepted");
  assert.equal(held.expiresAtMs, startMs + limits.idempotencyWindowMs);
  const extend: Command = { kind: "extend", owner: "", orderId: "o", holdMs: 8 * minute, ...origin };
  const [extended] = await decide(parts.store, extend);
  assert.partialDeepStrictEqual(extended, {
    kind: "extended",
    expiresAtMs: startMs + limits.idempotencyWindowMs,
  });
  const stockAt = async (nowMs: number) => {
    await parts.setTime(nowMs);
    const [stock] = await decide(parts.store, { kind: "stock", sku: "S" });
    return stock?.kind === "stock" ? [stock.available, stock.reserved] : assert.fail(stock?.kind);
  };
  assert.deepEqual(await stockAt(held.expiresAtMs - 1), [7, 3]);
  assert.deepEqual(await stockAt(held.expiresAtMs), [10, 0]);
});

test("a user's limit counts from the last purchase, also across a turn of the generations", async (parts) => {
  assert.deepEqual(kinds(await decide(parts.store, deduct("first", "S"))), ["accepted"]);
  await parts.setTime(startMs + 10 * minute); // the limit is over, and the generations turn
  assert.deepEqual(kinds(await decide(parts.store, deduct("second", "S"))), ["accepted"]);
  await parts.setTime(startMs + 15 * minute);
  assert.deepEqual(await decide(parts.store, deduct("third", "S")), [
    { kind: "rate_limited", sku: "S", retryAfterMs: 5 * minute },
  ]);
}, limited);

test("a user's limit ends at the millisecond, and not before", async (parts) => {
  await decide(parts.store, deduct("first", "S"));
  await parts.setTime(startMs + 10 * minute - 1);
  assert.deepEqual(await decide(parts.store, deduct("second", "S")), [
    { kind: "rate_limited", sku: "S", retryAfterMs: 1 },
  ]);
  await parts.setTime(startMs + 10 * minute);
  assert.deepEqual(kinds(await decide(parts.store, deduct("second", "S"))), ["accepted"]);
}, limited);

test("a replayed reservation names its first end, and an extension is in the log with the new one", async (parts) => {
  await decide(parts.store, reserve("o", minute));
  const extend: Command = { kind: "extend", owner: "", orderId: "o", holdMs: 2 * minute, ...origin };
  await decide(parts.store, extend);
  const [again] = await decide(parts.store, reserve("o", minute));
  assert.partialDeepStrictEqual(again, { kind: "accepted", replayed: true, expiresAtMs: startMs + minute });
  const last = (await readAll(parts.log)).flatMap(({ events }) => events).at(-1);
  assert.deepEqual([last?.kind, last?.data], ["extend", { expires: startMs + 2 * minute }]);
});

test("what is known to be in the ledger never becomes less, by an acknowledgement or by arming", async (parts) => {
  const { store, control } = parts;
  await decide(store, deduct("o-1", "S"), deduct("o-2", "S"));
  await parts.acknowledge(limits, 3);
  await parts.acknowledge(limits, 1);
  assert.equal((await control.inspect(0)).applied, 3);
  await control.disarm(0, deployment);
  const seen = await control.inspect(0);
  assert.ok(
    await control.arm(0, { seen, epoch: 2, deployment, shards: 1, applied: 1, token: "", chunks: 0 }),
  );
  assert.equal((await control.inspect(0)).applied, 3);
});

test("a return of the last order that may be forgotten asks the ledger, also when a part of it is remembered again", async (parts) => {
  const { store } = parts;
  await decide(store, deduct("o", "S", 3));
  const [found] = await decide(store, { kind: "lookup", orderId: "o" });
  const sold = found?.kind === "order" ? found.lines : assert.fail(found?.kind);
  for (const turn of [1, 2]) {
    await parts.acknowledge(limits);
    await parts.setTime(startMs + turn * limits.idempotencyWindowMs);
    await decide(store, adjust(`turn-${turn}`, "S", 0));
  }
  const ask = (returnId: string, { isRead = false } = {}) =>
    decide(store, {
      ...returnUnits("o", returnId, { S: 1 }),
      ledger: isRead ? { appliedSeq: 2, sold, returned: [] } : null,
    });
  assert.deepEqual(kinds(await ask("first")), ["forgotten"]);
  assert.deepEqual(kinds(await ask("first", { isRead: true })), ["accepted"]);
  assert.deepEqual(kinds(await ask("second")), ["forgotten"]);
});
