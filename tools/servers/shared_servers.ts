/**
 * Starts the servers that all tests of a run share, and names them in the environment of the tests.
 *
 * @module
 */
import { installServers } from "./install.ts";
import { startPostgres } from "./postgres.ts";
import { startRedis } from "./redis.ts";
import { SHARED_VARIABLES, type SharedServer } from "./run_folder.ts";

const START: Record<SharedServer, () => Promise<{ readonly url: string }>> = {
  redis: () => startRedis(),
  valkey: () => startRedis({ flavour: "valkey" }),
  postgres: () => startPostgres(),
};

/** All servers that tests share. */
export function sharedServers(): SharedServer[] {
  return Object.keys(SHARED_VARIABLES) as SharedServer[];
}

/** Shared servers whose variable is not set: the run starts them itself. */
export function missingServers(): SharedServer[] {
  return sharedServers().filter((server) => !Deno.env.has(SHARED_VARIABLES[server]));
}

/** Installs every server that a test may start, starts `servers` and sets their variables. */
export async function startShared(
  servers: readonly SharedServer[],
  report: (line: string) => void,
): Promise<void> {
  // All programs, also when one file runs: fault tests start servers of their own.
  await installServers(["redis", "valkey", "postgres", "openssl", "kafka", "nginx", "pgbouncer"], report);
  await Promise.all(servers.map(async (server) => {
    Deno.env.set(SHARED_VARIABLES[server], (await START[server]()).url);
  }));
}
