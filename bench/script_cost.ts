/**
 * What a decision costs Redis, by batch size: the server's own count of microseconds in `EVALSHA`.
 * Prints one line a size; the last column is the cost of an order against that of a call of its own.
 *
 *     deno task bench
 */
// deno-lint-ignore-file no-console -- prints what it measured: that is its purpose
import { makeRedisStore } from "../tests/contract/stores.ts";
import { adjust, armEmpty, decide, deduct } from "../tests/contract/store_suite.ts";
import { Connection } from "../src/redis/connection.ts";
import { realWorld } from "../src/runtime/world.ts";
import { sharedRedis } from "../tools/servers/shared.ts";

const orders = 16_384;
const skus = 100;

async function scriptMicroseconds(connection: Connection): Promise<number> {
  const stats = String(await connection.call("INFO", "commandstats"));
  return Number(/cmdstat_evalsha:calls=\d+,usec=(\d+)/.exec(stats)?.[1] ?? 0);
}

async function costPerOrder(batchSize: number, sku: (i: number) => string): Promise<number> {
  const { url } = sharedRedis();
  await using parts = await makeRedisStore(url, { userLimitMs: 1000 });
  const connection = new Connection(url, { name: "bench", world: realWorld, onError() {} });
  await connection.whenReady(2000);
  await armEmpty(parts.control);
  for (let i = 0; i < skus; i++) await decide(parts.store, adjust("first", `SKU_${i}`, 1_000_000));
  const before = await scriptMicroseconds(connection);
  for (let sent = 0; sent < orders; sent += batchSize) {
    const batch = Array.from({ length: batchSize }, (_, i) => {
      const n = sent + i;
      return deduct(`order-${n}-0123456789abcdef`, sku(n), 1, `user-${n}`);
    });
    await decide(parts.store, ...batch);
  }
  const cost = (await scriptMicroseconds(connection) - before) / orders;
  await connection.close();
  return cost;
}

for (
  const [what, sku] of [
    ["sold", (i: number) => `SKU_${i % skus}`],
    ["unknown", () => "NONE"],
  ] as const
) {
  let alone = 0;
  for (const size of [1, 16, 64, 256]) {
    const cost = await costPerOrder(size, sku);
    alone ||= cost;
    console.log(`${what}, batch of ${size}: ${cost.toFixed(1)} us an order, ${(cost / alone).toFixed(2)}`);
  }
}
