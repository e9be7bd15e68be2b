import assert from "node:assert/strict";
import { StoreError } from "../../src/domain/errors.ts";
import { Connection } from "../../src/redis/connection.ts";
import { realWorld } from "../../src/runtime/world.ts";
import { startRedis } from "../../tools/servers/redis.ts";
import { sharedRedis } from "../../tools/servers/shared.ts";

const DEADLINE_MS = 60_000;

Deno.test("connection: a call on which the server is silent for too long is lost, and the next one finds a new connection", async () => {
  await using redis = await startRedis();
  const connection = new Connection(redis.url, {
    name: "test",
    world: realWorld,
    silenceMaxMs: 300,
    onError() {},
  });
  try {
    await connection.whenReady(DEADLINE_MS);
    redis.freeze();
    const calls = [connection.call("PING"), connection.call("PING")];
    for (const call of calls) {
      await assert.rejects(call, (error) => error instanceof StoreError && error.code === "connection_lost");
    }
    redis.thaw();
    await connection.whenReady(DEADLINE_MS);
    assert.equal(await connection.call("PING"), "PONG");
  } finally {
    await connection.close();
  }
});

Deno.test("connection: calls that take turns on a slow server are not lost while it answers", async () => {
  const connection = new Connection(sharedRedis().url, {
    name: "test",
    world: realWorld,
    silenceMaxMs: 1000,
    onError() {},
  });
  try {
    await connection.whenReady(DEADLINE_MS);
    // Together longer than the limit; each answer shows that the server is there.
    const key = `test:${crypto.randomUUID()}`;
    const calls = Array.from({ length: 4 }, () => connection.call("BLPOP", key, 0.4));
    assert.deepEqual(await Promise.all(calls), [null, null, null, null]);
  } finally {
    await connection.close();
  }
});

Deno.test("connection: closing it settles the calls that a frozen server does not answer, at once", async () => {
  await using redis = await startRedis();
  const connection = new Connection(redis.url, {
    name: "test",
    world: realWorld,
    silenceMaxMs: 60_000, // nothing else gives up on them
    onError() {},
  });
  await connection.whenReady(DEADLINE_MS);
  redis.freeze();
  const codes: string[] = [];
  const calls = [connection.call("PING"), connection.call("PING")].map((call) =>
    call.catch((error) =>
      codes.push(error instanceof StoreError ? `${error.code} ${error.effect}` : `${error}`)
    )
  );
  const closing = connection.close();
  await Promise.resolve();
  await Promise.resolve();
  assert.deepEqual(
    codes,
    ["connection_lost unknown", "connection_lost unknown"],
    "before the socket is gone",
  );
  await Promise.all([closing, ...calls]);
  redis.thaw();
});
