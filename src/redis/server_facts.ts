/**
 * Asks a shard's server what it says of itself.
 *
 * @module
 */
import { hasEngines, type ServerFacts, settingsAsked } from "./server_checks.ts";
import type { Links } from "./shard_connections.ts";
import { list, text } from "./reply.ts";
import type { World } from "../runtime/world.ts";
import { StoreError } from "../domain/errors.ts";

/** `INFO`, `CONFIG GET` and `TIME`. A server that refuses the second is no error. */
export async function readServer(
  links: Links,
  shard: number,
  world: World,
): Promise<Omit<ServerFacts, "followers">> {
  const info = await readInfo(links, shard);
  const settings = await serverSettings(links, shard);
  const askedMs = world.now();
  const [seconds, micros] = list(await links.call(shard, "TIME")).map(Number);
  const serverMs = (seconds ?? NaN) * 1000 + (micros ?? NaN) / 1000;
  return { info, settings, aheadMs: serverMs - (askedMs + world.now()) / 2 };
}

/** `INFO`, with the scripting engines of a server whose engine is a module. */
export async function readInfo(links: Links, shard: number): Promise<string> {
  const info = text(await links.call(shard, "INFO"));
  return hasEngines(info) ? info + text(await links.call(shard, "INFO", "scriptingengines")) : info;
}

async function serverSettings(links: Links, shard: number): Promise<Map<string, string> | null> {
  try {
    const flat = list(await links.call(shard, "CONFIG", "GET", ...settingsAsked)).map(text);
    return new Map(settingsAsked.map((name) => [name, flat[flat.indexOf(name) + 1] ?? ""]));
  } catch (error) {
    // A managed server does not know the command, or allows nobody to use it.
    if (error instanceof StoreError && error.effect !== "unknown" && error.code !== "not_connected") {
      return null;
    }
    throw error;
  }
}
