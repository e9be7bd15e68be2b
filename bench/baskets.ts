/**
 * What a basket of several shards costs: baskets of two lines in one shard, in two, and both mixed, by eight buyers at
 * once, on Redis, PostgreSQL, one worker and one API.
 *
 *     deno run -A bench/baskets.ts --seconds=5 --clients=8
 *
 * @module
 */
// deno-lint-ignore-file no-console -- prints what it measured: that is its purpose
import { parseArgs } from "node:util";
import { Router } from "../src/decide/router.ts";
import { Service } from "../tests/system/stack.ts";
import { startPostgres } from "../tools/servers/postgres.ts";
import { startRedis } from "../tools/servers/redis.ts";

const { values } = parseArgs({
  args: Deno.args,
  options: { seconds: { type: "string", default: "5" }, clients: { type: "string", default: "8" } },
});
const [seconds, clients] = [Number(values.seconds), Number(values.clients)];
const shards = 2;
const router = new Router(shards);

await using redis = await startRedis();
await using postgres = await startPostgres();
const env = {
  REDIS_URL: redis.url,
  DATABASE_URL: await postgres.freshDatabase(),
  SHARDS: String(shards),
  USER_LIMIT_MS: "0",
};
await using _worker = await Service.start("worker", env);
await using api = await Service.start("api", env);
await api.ready(30_000);
const skus = Array.from({ length: 40 }, (_, n) => `SKU-${n}`);
for (const sku of skus) {
  await api.post(`/api/v1/inventory/${sku}/adjustments`, { adjustment_id: "stock", delta: 10_000_000 });
}
const byShard = router.all().map((shard) => skus.filter((sku) => router.route(sku) === shard));

/** Two SKUs of one shard, or one of each. */
function pair(isAcross: boolean, n: number): string[] {
  const at = (shard: number, i: number) => byShard[shard]?.[i % (byShard[shard]?.length ?? 1)] ?? "";
  return isAcross ? [at(0, n), at(1, n)] : [at(n % shards, n), at(n % shards, n + 1)];
}

let orders = 0;

/** Sends baskets for some seconds; `across` is the share of those of two shards. */
async function measure(across: number): Promise<string> {
  const ms: number[] = [];
  let failed = 0;
  const untilMs = performance.now() + seconds * 1000;
  await Promise.all(Array.from({ length: clients }, async () => {
    while (performance.now() < untilMs) {
      const n = orders++;
      const lines = pair((n % 10) / 10 < across, n).map((sku) => ({ sku, amount: 1 }));
      const startMs = performance.now();
      const { status } = await api.post("/api/v1/orders", { order_id: `o-${n}`, user_id: `u-${n}`, lines });
      if (status === 200) ms.push(performance.now() - startMs);
      else failed++;
    }
  }));
  ms.sort((a, b) => a - b);
  const at = (share: number) => (ms[Math.floor(ms.length * share)] ?? 0).toFixed(1);
  const rate = Math.round(ms.length / seconds);
  return `${rate} baskets a second, median ${at(0.5)} ms, p99 ${at(0.99)} ms, ${failed} failed`;
}

await measure(0.5); // warm
for (const across of [0, 0.5, 1, 0, 0.5, 1]) {
  console.log(`${across * 100} % in two shards: ${await measure(across)}`);
}
