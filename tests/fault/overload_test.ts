/**
 * Five times as many orders as a slowed Redis takes: what it can be sold is sold, in time, and all others hear so at
 * once.
 */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { startRedis } from "../../tools/servers/redis.ts";
import { sharedPostgres } from "../../tools/servers/shared.ts";
import { waitFor } from "../../tools/servers/wait.ts";
import { assertLedger, readLedger, stockOf, stockUp, unitsOf } from "../system/ledger_audit.ts";
import { Service } from "../system/stack.ts";
import { type Bought, Buyers, quantile } from "./buyers.ts";
import { post } from "./fault_scenario.ts";
import { watchMemory } from "./process_memory.ts";
import { differencesOf } from "./sale.ts";
import { startThrottle } from "./throttle.ts";
import { isLong, judge, report } from "./trial.ts";

/** Orders a second; the suite has neither the time nor the cores for more. */
const LOAD = isLong
  ? { capacityMax: 2_000, forMs: 60_000, connectionsMax: 8_000, batchMax: 256 }
  : { capacityMax: 200, forMs: 8_000, connectionsMax: 1_600, batchMax: 8 };
/** Of the speed of this machine as it is now, so that API and clients have the cores to be too many. */
const CAPACITY_SHARE = 0.1;
const TIMES_CAPACITY = 5;
const SKU = "sku";
const UNITS = 1_000_000;
const BUYERS = 64;
const MEASURE_MS = 2_000;
/** Until the API knows how fast the slowed Redis is. */
const LEARNING_MS = 2_000;
const REQUEST_TIMEOUT_MS = 2_000;
/** Half of it is what an order may expect, one call more is what it may get. */
const SOLD_MAX_MS = 0.75 * REQUEST_TIMEOUT_MS;
const REFUSED_MAX_MS = 50;
const MEMORY_GROWTH_MAX_MB = 192;
const FULL_SPEED_MAX_MS = 2_000;
/** Five times what the slowed Redis takes: while other programs take the cores, half is nothing unusual. */
const FULL_SPEED_SHARE = 0.5;
const WINDOW_MS = 250;
const PING_EVERY_MS = 20;
const SETTLE_DEADLINE_MS = 60_000;

/** Measures how long a request takes that needs no store, until it is stopped. */
function watchReference(api: Service) {
  const times: number[] = [];
  const running = { is: true };
  const done = (async () => {
    while (running.is) {
      const startMs = performance.now();
      await (await fetch(`${api.url}/livez`)).body?.cancel();
      times.push(performance.now() - startMs);
      await sleep(PING_EVERY_MS);
    }
  })();
  return {
    async stop() {
      running.is = false;
      await done;
      return times;
    },
  };
}

/** Accepted answers a second between two moments. */
function acceptedRate(bought: readonly Bought[], fromMs: number, toMs: number): number {
  const accepted = bought.filter(({ status, sentMs, ms }) => {
    const answeredMs = sentMs + ms;
    return status === 200 && answeredMs >= fromMs && answeredMs < toMs;
  });
  return accepted.length * 1000 / (toMs - fromMs);
}

/** When a window first had this rate, ms after `fromMs`. */
function reachedAfterMs(bought: readonly Bought[], fromMs: number, rate: number): number {
  const lastMs = bought.reduce((last, { sentMs }) => Math.max(last, sentMs), 0);
  for (let atMs = fromMs; atMs < lastMs; atMs += WINDOW_MS / 5) {
    if (acceptedRate(bought, atMs, atMs + WINDOW_MS) >= rate) return atMs + WINDOW_MS - fromMs;
  }
  return Infinity;
}

/** The longest time between two accepted answers, ms. */
function longestPauseMs(bought: readonly Bought[]): number {
  const times = bought.filter(({ status }) => status === 200).map(({ sentMs, ms }) => sentMs + ms)
    .sort((a, b) => a - b);
  // 120,000 arguments are too many for a call of Math.max().
  return Math.round(
    times.slice(1).reduce((longest, atMs, i) => Math.max(longest, atMs - (times[i] ?? 0)), 0),
  );
}

Deno.test("overload: at five times the capacity as much is sold as at it, others hear 503 at once, and full speed is back after it", async () => {
  await using redis = await startRedis();
  await using throttle = startThrottle(redis.port);
  const databaseUrl = await sharedPostgres().freshDatabase();
  const env = { USER_LIMIT_MS: "0", REQUEST_TIMEOUT_MS: String(REQUEST_TIMEOUT_MS) };
  await using _worker = await Service.start("worker", {
    REDIS_URL: redis.url,
    DATABASE_URL: databaseUrl,
    ...env,
  });
  await using api = await Service.start("api", {
    REDIS_URL: throttle.url,
    BATCH_MAX: String(LOAD.batchMax), // a call takes a fraction of a second
    ...env,
  });
  await api.ready();
  const initial = new Map([[SKU, UNITS]]);
  const history = await stockUp(api, initial);
  using buyers = new Buyers({ url: api.url, sku: SKU, connectionsMax: LOAD.connectionsMax });

  await buyers.ask(BUYERS, MEASURE_MS); // warm
  const bytesBefore = throttle.bytes;
  const full = await buyers.ask(BUYERS, MEASURE_MS);
  const fullRate = full.length * 1000 / MEASURE_MS;
  const capacity = Math.min(LOAD.capacityMax, CAPACITY_SHARE * fullRate);
  throttle.limit(capacity * (throttle.bytes - bytesBefore) / full.length);
  const bestMs = performance.now();
  const best = acceptedRate(
    await buyers.ask(2 * BUYERS, 2 * MEASURE_MS),
    bestMs + MEASURE_MS / 2, // what was on its way without the limit is no measure of it
    bestMs + 2 * MEASURE_MS,
  );

  const reference = watchReference(api);
  using memory = watchMemory({ api: api.pid });
  await sleep(MEASURE_MS / 10);
  const memoryBefore = memory.highest.api;
  const startMs = performance.now();
  const { bought, unsent } = await buyers.offer(TIMES_CAPACITY * best, LOAD.forMs);
  const referenceMs = Math.max(...await reference.stop());
  throttle.limit(Infinity);
  const fastMs = performance.now();
  const after = await buyers.ask(BUYERS, FULL_SPEED_MAX_MS + MEASURE_MS);

  const sold = bought.filter(({ status }) => status === 200);
  const refused = bought.filter(({ status, sentMs }) => status === 503 && sentMs > startMs + LEARNING_MS);
  const refusedMs = quantile(refused.map(({ ms }) => ms), 0.99);
  const rate = acceptedRate(bought, startMs + LEARNING_MS, startMs + LOAD.forMs);
  const learnt = sold.filter(({ sentMs }) => sentMs > startMs + LEARNING_MS);
  const soldMs = quantile(learnt.map(({ ms }) => ms), 0.99);
  const fullMs = reachedAfterMs(after, fastMs, FULL_SPEED_SHARE * fullRate);
  const grownMb = memory.highest.api - memoryBefore;
  const unknown = buyers.heard.filter(({ kind }) => kind === "unknown").length;
  const offered = bought.length * 1000 / LOAD.forMs;
  const detail =
    `${Math.round(offered)} orders/s were offered to ${Math.round(best)}/s (${unsent} not sent: no ` +
    `connection was free), ${Math.round(rate)}/s accepted, p99 ${Math.round(soldMs)} ms; refused with p50 ` +
    `${Math.round(quantile(refused.map(({ ms }) => ms), 0.5))} ms, p99 ${
      Math.round(refusedMs)
    } ms, where a request ` +
    `without a store took ${Math.round(referenceMs)} ms at most; the API grew by ${grownMb} MB; full speed ` +
    `(${Math.round(fullRate)}/s) ${Math.round(fullMs)} ms after it`;

  for (const [index, order] of buyers.orders.entries()) {
    if (buyers.heard[index]?.kind !== "unknown") continue;
    await waitFor(async () => {
      const { status, replayed, body } = await post(api, order);
      if (status !== 200) return false;
      const { new_stock, seq } = body as { new_stock: number; seq: number };
      buyers.heard[index] = { kind: "accepted", newStock: new_stock, seq, replayed };
      return true;
    }, { deadlineMs: SETTLE_DEADLINE_MS, what: `an answer to ${order.orderId}` });
  }
  const stock = await stockOf(api, [SKU]);
  const tables = await readLedger({ databaseUrl }, stock, SETTLE_DEADLINE_MS);
  const over = { orders: buyers.orders, heard: buyers.heard, initial, left: unitsOf(stock) };
  const row = {
    group: "Overload",
    what: `five times as many orders as are decided, ${LOAD.forMs / 1000} s`,
    times: 1,
    operations: bought.length,
    accepted: sold.length,
    unknown,
    unavailable: bought.length - sold.length - unknown,
    acceptedShare: rate / best,
    pauseMs: longestPauseMs(bought),
    ...differencesOf(over, tables),
    detail,
  };
  report(row);
  assertLedger({ ...over, history }, tables);
  judge(row, { acceptedMin: 0.9, pauseMaxMs: REQUEST_TIMEOUT_MS + referenceMs });
  assert.ok(offered > 2.5 * best, "it was no overload");
  assert.ok(soldMs < SOLD_MAX_MS + referenceMs, `p99 of accepted orders: ${soldMs} ms`);
  assert.ok(refusedMs < REFUSED_MAX_MS + referenceMs, `p99 of refused orders: ${refusedMs} ms`);
  assert.ok(unknown < bought.length / 20, `${unknown} of ${bought.length} are unknown`);
  assert.ok(new Set(refused.map(({ retryAfter }) => retryAfter)).size > 1, "Retry-After is not spread");
  assert.ok(grownMb < MEMORY_GROWTH_MAX_MB, `the API grew by ${grownMb} MB`);
  assert.ok(fullMs < FULL_SPEED_MAX_MS + referenceMs, `full speed ${fullMs} ms after it`);
});
