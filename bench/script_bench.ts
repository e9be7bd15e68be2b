/**
 * What a decision costs from this process, by batch size: one script call a batch, answered by a real Redis.
 * Time per order = time per iteration / batch size. What it costs Redis alone: `bench/script_cost.ts`.
 */
import { adjust, armEmpty, decide, deduct } from "../tests/contract/store_suite.ts";
import { makeRedisStore } from "../tests/contract/stores.ts";
import { sharedRedis } from "../tools/servers/shared.ts";

const skus = 100;
const { store, control } = await makeRedisStore(sharedRedis().url, { userLimitMs: 1000 });
await armEmpty(control);
for (let i = 0; i < skus; i++) await decide(store, adjust("first", `SKU_${i}`, 1_000_000_000));

let orders = 0;

for (const size of [1, 16, 64, 256]) {
  Deno.bench(`script: a batch of ${size} orders`, { group: "script", baseline: size === 1 }, async (b) => {
    const batch = Array.from({ length: size }, () => {
      orders++;
      return deduct(`order-${orders}-0123456789abcdef`, `SKU_${orders % skus}`, 1, `user-${orders}`);
    });
    b.start();
    await decide(store, ...batch);
    b.end();
  });
}
