/**
 * Redis servers whose wall clock is off, and that follow each other.
 *
 * @module
 */
import assert from "node:assert/strict";
import { installServers, programOf } from "../../tools/servers/install.ts";
import { type RedisServer, startRedis } from "../../tools/servers/redis.ts";
import { waitFor } from "../../tools/servers/wait.ts";

const STEP_DEADLINE_MS = 60_000;

/**
 * Starts a Valkey whose wall clock is so many seconds ahead of that of `right`. A Redis on jemalloc does not start under
 * libfaketime.
 */
export async function startAhead(seconds: number, right: RedisServer): Promise<RedisServer> {
  // deno-lint-ignore no-console -- it can take half a minute
  await installServers(["libfaketime"], console.log);
  const library = programOf("libfaketime", "libfaketime.so.1");
  const settings = [`LD_PRELOAD=${library}`, `FAKETIME=${seconds >= 0 ? "+" : ""}${seconds}s`];
  await using starting = new AsyncDisposableStack();
  const wrong = starting.use(
    await startRedis({
      flavour: "valkey",
      host: {
        address: "127.0.0.1",
        command: (program, args) => ({
          command: "env",
          args: [...settings, "DONT_FAKE_MONOTONIC=1", program, ...args],
        }),
      },
    }),
  );
  const off = await timeOf(wrong) - await timeOf(right);
  assert.ok(Math.abs(off - seconds) < 60, `its clock is ${off} s ahead`);
  starting.move();
  return wrong;
}

/** Makes a server a replica, and waits until responses of shard 0 wait for it. */
export async function follow(replica: RedisServer, master: RedisServer): Promise<void> {
  await replica.cli("REPLICAOF", "127.0.0.1", String(master.port));
  await waitFor(async () => await master.cli("HGET", "{inventory:0}:meta", "replicas") === "1", {
    deadlineMs: STEP_DEADLINE_MS,
    what: "answers that wait for a replica",
  });
}

async function timeOf(redis: RedisServer): Promise<number> {
  return Number((await redis.cli("TIME")).split("\n")[0]);
}
