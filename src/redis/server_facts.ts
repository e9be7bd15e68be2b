/**
 * Reads the properties of a shard's server.
 *
 * @module
 */
import { hasEngines, type ServerFacts, settingsAsked } from "./server_checks.ts";
import type { ShardConnections } from "./shard_connections.ts";
import { list, text } from "./reply.ts";
import type { World } from "../runtime/world.ts";
import { StoreError } from "../domain/errors.ts";

/** `INFO`, `CONFIG GET` and `TIME`. A server that refuses the second one is accepted. */
export async function readServer(
  connections: ShardConnections,
  shard: number,
  world: World,
): Promise<Omit<ServerFacts, "replicas">> {
  const info = await readInfo(connections, shard);
  const settings = await serverSettings(connections, shard);
  const askedMs = world.now();
  const [seconds, micros] = list(await connections.call(shard, "TIME")).map(Number);
  const serverMs = (seconds ?? NaN) * 1000 + (micros ?? NaN) / 1000;
  return { info, settings, aheadMs: serverMs - (askedMs + world.now()) / 2 };
}

/** `INFO`, with the scripting engines of a server whose engine is a module. */
export async function readInfo(connections: ShardConnections, shard: number): Promise<string> {
  const info = text(await connections.call(shard, "INFO"));
  return hasEngines(info) ? info + text(await connections.call(shard, "INFO", "scriptingengines")) : info;
}

async function serverSettings(
  connections: ShardConnections,
  shard: number,
): Promise<Map<string, string> | null> {
  try {
    const flat = list(await connections.call(shard, "CONFIG", "GET", ...settingsAsked)).map(text);
    return new Map(settingsAsked.map((name) => [name, flat[flat.indexOf(name) + 1] ?? ""]));
  } catch (error) {
    // A managed server does not know the command, or permits it to no user.
    if (error instanceof StoreError && error.effect !== "unknown" && error.code !== "not_connected") {
      return null;
    }
    throw error;
  }
}
