/**
 * An API that is killed at the one moment that costs a buyer the answer to an accepted order: after Redis has accepted
 * it, before the API has answered. Only freezing the API makes that moment certain.
 *
 * @module
 */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import type { RedisServer } from "../../tools/servers/redis.ts";
import type { LoadClients } from "../system/load_clients.ts";
import type { Service } from "../system/stack.ts";

const DEADLINE_MS = 60_000;
/** Of the end of a log that is read: more than buyers have orders on their way. */
const ENTRIES = 256;
/** A frozen API lets the others sell; one that is frozen too early is to sell on before it is frozen again. */
const SELLING_MS = 20;

/** Kills `api` while orders that its buyers sent to it are accepted and not answered. Returns how many. */
export async function killUnanswered(
  api: Service,
  clients: LoadClients,
  log: () => Promise<string>,
): Promise<number> {
  const untilMs = performance.now() + DEADLINE_MS;
  for (;;) {
    api.freeze();
    const lost = await acceptedUnanswered(clients, api.url, log);
    if (lost > 0) {
      await api.kill();
      return lost;
    }
    assert.ok(performance.now() < untilMs, `no order of ${api.url} was accepted and not answered`);
    api.thaw();
    await sleep(SELLING_MS);
  }
}

/** The end of a shard's log; that of shard 0 without a key. */
export function endOfLog(redis: RedisServer, key: string = "{inventory:0}:events"): Promise<string> {
  return redis.cli("XREVRANGE", key, "+", "-", "COUNT", String(ENTRIES));
}

/** Of a frozen API. */
async function acceptedUnanswered(
  clients: LoadClients,
  url: string,
  log: () => Promise<string>,
): Promise<number> {
  for (;;) {
    const open = clients.unanswered(url);
    const entries = await log();
    // What the API had sent before it was frozen has come in meanwhile, or it was still coming: then look again.
    const still = new Set(clients.unanswered(url));
    if (!open.every((orderId) => still.has(orderId))) continue;
    return open.filter((orderId) => entries.includes(`"${orderId}"`)).length;
  }
}
