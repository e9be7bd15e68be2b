/**
 * What orders of 100 lines cost the sales that run at the same time, on a real Redis:
 *
 *   1. the wait of a sale while 64 clients read an order of 100 lines over and over;
 *   2. 1000 refused deducts under the ids of orders of 100 lines: Redis' time, and the longest call;
 *   3. 1000 reservations of 100 lines that expire at once: the longest call, and how long until all units are free.
 *
 *     deno task bench bench/large_orders.ts
 */
// deno-lint-ignore-file no-console -- prints what it measured: that is its purpose
import type { Command, Sale } from "../src/domain/command.ts";
import { Batcher } from "../src/decide/batcher.ts";
import type { StoreCall } from "../src/decide/command_timings.ts";
import { Connection } from "../src/redis/connection.ts";
import { realWorld, sleep } from "../src/runtime/world.ts";
import { makeRedisStore } from "../tests/contract/stores.ts";
import { adjust, armEmpty, decide, deduct, inTime } from "../tests/contract/store_suite.ts";
import { sharedRedis } from "../tools/servers/shared.ts";

const orders = 1000;
const linesEach = 100;
const readers = 64;
const measureMs = 5000;

const basket = Array.from({ length: linesEach }, (_, i) => ({ sku: `basket-${i}`, amount: 1 }));

function large(kind: "order" | "reserve", orderId: string, holdMs: number): Sale {
  return { ...deduct(orderId, "", 1, `user-${orderId}`), kind, lines: basket, holdMs };
}

const { url } = sharedRedis();
await using parts = await makeRedisStore(url, { backlogMax: 10_000_000 });
const { store } = parts;
const connection = new Connection(url, { name: "bench", world: realWorld, onError() {} });
await connection.whenReady(2000);
await armEmpty(parts.control);
for (const { sku } of basket) await decide(store, adjust("opening", sku, 1_000_000));
await decide(store, adjust("opening-other", "S", 1_000_000_000), adjust("opening-other", "gone", 0));
for (let i = 0; i < orders; i++) await decide(store, large("order", `large-${i}`, 0));

const calls: StoreCall[] = [];
const batcher = new Batcher(0, store, realWorld, {
  batchMax: 256,
  requestTimeoutMs: 5000,
  callsMax: 2,
  onBroken: console.error,
  onCall: (call) => calls.push(call),
});

/** Waits of sales that come every 2 ms, while `others` run. */
async function sell(name: string, others: (until: number) => Promise<void>[]): Promise<void> {
  const until = performance.now() + measureMs;
  const waits: number[] = [];
  const running = others(until);
  const sales: Promise<void>[] = [];
  for (let i = 0; performance.now() < until; i++) {
    const startMs = performance.now();
    sales.push(
      batcher.submit(deduct(`${name}-${i}`, "S", 1, `buyer-${i}`)).then((outcome) => {
        if (outcome.kind !== "accepted") throw new Error(`a sale is ${outcome.kind}`);
        waits.push(performance.now() - startMs);
      }),
    );
    await sleep(realWorld, 2);
  }
  await Promise.all([...sales, ...running]);
  waits.sort((a, b) => a - b);
  const at = (share: number) => waits[Math.floor(waits.length * share)]?.toFixed(1);
  console.log(`${name}: ${waits.length} sales, p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`);
}

let reads = 0;
await sell("sales alone", () => []);
await sell(`sales with ${readers} readers`, (until) =>
  Array.from({ length: readers }, async () => {
    while (performance.now() < until) {
      const outcome = await batcher.submit({ kind: "lookup", orderId: "large-0" });
      if (outcome.kind !== "order") throw new Error(`a read is ${outcome.kind}`);
      reads++;
    }
  }));
console.log(`  reads a second: ${(reads * 1000 / measureMs).toFixed(0)}`);

/** Redis' time in scripts, ms. */
async function scriptMs(): Promise<number> {
  const stats = String(await connection.call("INFO", "commandstats"));
  return Number(/cmdstat_evalsha:calls=\d+,usec=(\d+)/.exec(stats)?.[1] ?? 0) / 1000;
}

async function refused(name: string, command: (i: number) => Command): Promise<void> {
  calls.length = 0;
  const before = await scriptMs();
  const outcomes = await Promise.all(
    Array.from({ length: orders }, (_, i) => batcher.submit(command(i))),
  );
  const kinds = [...new Set(outcomes.map(({ kind }) => kind))];
  const longest = Math.max(...calls.map((call) => call.answeredAtMs - call.sentAtMs));
  const took = (await scriptMs() - before).toFixed(0);
  console.log(`${orders} ${name}: ${took} ms of Redis, longest call ${longest.toFixed(0)} ms, ${kinds}`);
}

await refused("refused deducts under new ids", (i) => deduct(`new-${i}`, "gone"));
await refused("refused deducts under ids of 100-line orders", (i) => deduct(`large-${i}`, "gone"));
await refused("conflicts with 100-line orders", (i) => deduct(`large-${i}`, "basket-99"));

for (let i = 0; i < orders; i++) await decide(store, large("reserve", `held-${i}`, 1000));
await sleep(realWorld, 1200);
const startMs = performance.now();
const times: number[] = [];
for (;;) {
  const before = await scriptMs();
  const result = await store.decide(0, [inTime({ kind: "stock", sku: "basket-0" })]);
  times.push(await scriptMs() - before);
  const [stock] = result.kind === "decided" ? result.outcomes : [];
  if (stock?.kind === "stock" && stock.reserved === 0) break;
}
console.log(
  `${orders} lapsing holds of ${linesEach} lines: longest call ${
    Math.max(...times).toFixed(0)
  } ms of Redis, ` +
    `${times.length} calls, all back in ${((performance.now() - startMs) / 1000).toFixed(1)} s`,
);
batcher.close();
await connection.close();
