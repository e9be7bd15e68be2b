/**
 * A store that becomes full in the middle of a rebuild.
 */
import assert from "node:assert/strict";
import { startRedis } from "../../tools/servers/redis.ts";
import { adjust, armEmpty, decide, deployment, inTime } from "./store_suite.ts";
import { makeRedisStore } from "./stores.ts";

Deno.test("a store that is full in the middle of a rebuild sells nothing, and is rebuilt when there is memory again", async () => {
  await using redis = await startRedis();
  await using under = await makeRedisStore(redis.url);
  const { control, store } = under;
  await armEmpty(control);
  await decide(store, adjust("d1", "sku", 10));
  const rows = [{ sku: "sku", available: 10, reserved: 0, policy: null }];
  const rebuild = async (token: string) => {
    const seen = await control.inspect(0);
    await control.beginRestore(0, token, seen, { deployment, shards: 1, seq: 1, applied: 1 });
    await redis.cli("CONFIG", "SET", "maxmemory", token === "t1" ? "1" : "0");
    await control.restoreStock(0, token, rows);
    return await control.arm(0, {
      seen: { ...seen, position: { epoch: 0, seq: 1 } },
      ...{ epoch: 2, deployment, shards: 1, applied: 1, token, chunks: 1 },
    });
  };
  await assert.rejects(rebuild("t1"), { code: "OOM", effect: "none" });
  const half = await control.inspect(0);
  assert.deepEqual([half.armed, half.position.epoch, half.skus], [false, 0, 0]);
  assert.match(half.refusal, /^OOM /);
  await assert.rejects(store.decide(0, [inTime(adjust("d2", "sku", 1))]), { code: "OOM" });
  await redis.cli("CONFIG", "SET", "maxmemory", "0");
  assert.ok(await rebuild("t2"));
  assert.equal((await decide(store, adjust("d3", "sku", 1)))[0]?.kind, "accepted");
});
