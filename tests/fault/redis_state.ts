/**
 * What a Redis holds of shard 0, looked at past the system.
 *
 * @module
 */
import { keyNames } from "../../src/redis/keys.ts";
import type { RedisServer } from "../../tools/servers/redis.ts";
import { waitFor } from "../../tools/servers/wait.ts";

/** Arguments that a server needs for {@link digest}. */
export const DIGESTIBLE: readonly string[] = ["--enable-debug-command", "local"];

const META = "{inventory:0}:meta";
const RECORDED_DEADLINE_MS = 60_000;

/** Every key of the shard, in short: two states are the same if these are. */
export async function digest(redis: RedisServer): Promise<string> {
  const names = keyNames.map((name) => `{inventory:0}:${name}`);
  return await redis.cli("DEBUG", "DIGEST-VALUE", ...names);
}

/** The same without `meta`: stock, orders, limits and log. A shard that only lost its right to sell has it unchanged. */
export async function soldDigest(redis: RedisServer): Promise<string> {
  const names = keyNames.filter((name) => name !== "meta").map((name) => `{inventory:0}:${name}`);
  return await redis.cli("DEBUG", "DIGEST-VALUE", ...names);
}

/** Epoch and last number issued. */
export async function position(redis: RedisServer): Promise<{ epoch: number; seq: number }> {
  const [epoch, seq] = (await redis.cli("HMGET", META, "epoch", "seq")).split("\n");
  return { epoch: Number(epoch), seq: Number(seq) };
}

/** How many orders and adjustments are remembered. */
export async function remembered(redis: RedisServer): Promise<number> {
  const counts = await Promise.all([0, 1].map((n) => redis.cli("HLEN", `{inventory:0}:orders:${n}`)));
  return counts.map(Number).reduce((sum, count) => sum + count);
}

/** Waits until a server knows that all it has sold is in the ledger: from then on an idle worker writes nothing. */
export async function untilRecorded(redis: RedisServer): Promise<void> {
  await waitFor(async () => {
    const [applied, head] = (await redis.cli("HMGET", META, "applied", "seq")).split("\n");
    return applied === head;
  }, { deadlineMs: RECORDED_DEADLINE_MS, what: "a server that knows what is applied" });
}

/** Connections with this name that it has. */
export async function clientsNamed(redis: RedisServer, name: string): Promise<number> {
  return (await redis.cli("CLIENT", "LIST")).split("\n").filter((line) => line.includes(` name=${name} `))
    .length;
}
