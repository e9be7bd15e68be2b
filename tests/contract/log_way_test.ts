/** Workers that read the log in different places, because their KAFKA_BROKERS differ, are noticed. */
import assert from "node:assert/strict";
import type { ShardLedger } from "../../src/ledger/ledger.ts";
import { publishLogWay } from "../../src/worker/publish.ts";
import { sharedRedis } from "../../tools/servers/shared.ts";
import { armEmpty, deployment as id } from "./store_suite.ts";
import { makeRedisStore } from "./stores.ts";

Deno.test("workers that disagree about KAFKA_BROKERS: the one that takes a shard over says so, once", async () => {
  await using under = await makeRedisStore(sharedRedis().url);
  await armEmpty(under.control);
  const said: unknown[] = [];
  const logger = {
    debug() {},
    info() {},
    error() {},
    warn: (message: string, fields: unknown) => said.push([message, fields]),
  };
  const ledger = { shard: 0 } as ShardLedger;
  const takeOver = async (way: string | undefined) => {
    const parts = { control: under.control, deployment: { id, shards: 1 }, ledger, logger };
    await publishLogWay(
      { ...parts, logWay: () => Promise.resolve(way) },
      (await under.control.inspect(0)).logWay,
    );
  };
  await takeOver("stream");
  await takeOver("stream");
  await takeOver(undefined);
  assert.deepEqual(said, []);
  await takeOver("topic a of Kafka cluster x");
  assert.deepEqual(said, [["log is read in another place than before", {
    shard: 0,
    before: "stream",
    now: "topic a of Kafka cluster x",
    mend: "set the same KAFKA_BROKERS for every worker",
  }]]);
  assert.equal((await under.control.inspect(0)).logWay, "topic a of Kafka cluster x");
});
