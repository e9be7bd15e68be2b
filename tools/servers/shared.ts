/**
 * The servers that all tests of a run share: they are started once, when the first test asks for them.
 *
 * Each test takes a namespace or a database of its own, so that none needs a flush and their order does
 * not matter. A test that kills or freezes a server starts its own with `startRedis` or `startPostgres`.
 *
 * @module
 */
import { createDatabase, runPrefix } from "./database.ts";
import type { RedisFlavour } from "./redis.ts";
import { ensureRun, SHARED_VARIABLES, type SharedServer } from "./run_folder.ts";

/** The Redis or Valkey that tests share. Keys must carry a {@link freshNamespace}. */
export function sharedRedis(flavour: RedisFlavour = "redis"): { readonly url: string } {
  return { url: sharedUrl(flavour) };
}

/** The PostgreSQL that tests share. */
export function sharedPostgres(): { readonly url: string; freshDatabase(): Promise<string> } {
  const url = sharedUrl("postgres");
  return { url, freshDatabase: () => createDatabase(url) };
}

/** A namespace that no other test uses: letters, digits and underscores, as in keys, schemas and topics. */
export function freshNamespace(): string {
  return `${runPrefix()}${crypto.randomUUID().slice(0, 8)}`;
}

function sharedUrl(server: SharedServer): string {
  ensureRun();
  const variable = SHARED_VARIABLES[server];
  const url = Deno.env.get(variable);
  if (url !== undefined && url !== "") return url;
  throw new Error(`Cannot find the tests' ${server} as ${variable} is not set`);
}
