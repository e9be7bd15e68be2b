/** Workers that read the log in different places, because their KAFKA_BROKERS differ, are noticed. */
import assert from "node:assert/strict";
import type { ShardLedger } from "../../src/ledger/ledger.ts";
import { PeerLogs } from "../../src/worker/peer_logs.ts";
import { publishLogWay, publishStatus } from "../../src/worker/publish.ts";
import { ManualWorld } from "../manual_world.ts";
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
  assert.deepEqual(said, [["log source differs from the previous worker's", {
    shard: 0,
    before: "stream",
    now: "topic a of Kafka cluster x",
    mend: "set the same KAFKA_BROKERS for every worker",
  }]]);
  assert.equal((await under.control.inspect(0)).logWay, "topic a of Kafka cluster x");
});

Deno.test("workers that disagree about KAFKA_BROKERS say so without exchanging a shard, once a minute", async () => {
  await using under = await makeRedisStore(sharedRedis().url, {}, 2);
  await armEmpty(under.control, 1, 2);
  const note = async (shard: number, way: string) => {
    const ledger = { shard } as ShardLedger;
    const parts = { control: under.control, deployment: { id, shards: 2 }, ledger };
    await publishStatus(parts, { kind: "log_way", way });
  };
  const world = new ManualWorld();
  const said: unknown[] = [];
  const logger = {
    debug() {},
    info() {},
    error() {},
    warn: (message: string, fields: unknown) => said.push([message, fields]),
  };
  const here: { way?: string } = {};
  const peers = new PeerLogs({
    control: under.control,
    logWay: () => Promise.resolve(here.way),
    logger,
    world,
  });
  /** Looks around four times a second. */
  const look = async (seconds: number, shards: readonly number[]) => {
    for (let i = 0; i < seconds * 4; i++) {
      await peers.check(shards);
      await world.advance(250);
    }
  };
  await note(0, "stream");
  await look(20, [0, 1]);
  here.way = "stream";
  await look(20, [0, 1]);
  assert.deepEqual(said, [], "the same place, or one that is not known");
  await note(1, "topic a of Kafka cluster x");
  await look(20, []);
  assert.deepEqual(said, [], "no other worker keeps a shard");
  await look(40, [0, 1]);
  const warning = {
    why: "stream here, topic a of Kafka cluster x at another worker",
    mend: "set the same KAFKA_BROKERS for every worker",
  };
  assert.deepEqual(said, [["workers read different logs", warning]]);
  await look(60, [0, 1]);
  assert.equal(said.length, 2);
});
