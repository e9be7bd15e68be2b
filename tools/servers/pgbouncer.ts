/**
 * A real PgBouncer before a PostgreSQL on this machine.
 *
 * @module
 */
import { programOf } from "./install.ts";
import { freePort } from "./port.ts";
import { folderFor, unprivileged } from "./postgres.ts";
import { startProcess } from "./process.ts";

/** What it stands before, and how it pools. */
export interface PgbouncerOptions {
  /** A database on 127.0.0.1 that trusts its users. */
  readonly databaseUrl: string;
  /** When a server connection goes back to the pool. */
  readonly poolMode: "session" | "transaction";
  /** Startup parameters that it drops in silence, as `pgbouncer.ini` names them. */
  readonly ignored?: string;
}

/** Starts one; disposing of it ends it. `url` leads to the same database through it. */
export async function startPgbouncer(
  { databaseUrl, poolMode, ignored = "" }: PgbouncerOptions,
): Promise<{ readonly url: string } & AsyncDisposable> {
  const account = await unprivileged();
  const dir = await folderFor(account, "pgbouncer");
  const port = freePort();
  const target = new URL(databaseUrl);
  await Deno.writeTextFile(
    `${dir}/pgbouncer.ini`,
    `[databases]
* = host=127.0.0.1 port=${target.port} user=${target.username}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = ${poolMode}
default_pool_size = 40
${ignored === "" ? "" : `ignore_startup_parameters = ${ignored}`}
`,
  );
  const pgbouncer = await startProcess({
    command: programOf("pgbouncer", "pgbouncer"),
    args: [`${dir}/pgbouncer.ini`],
    cwd: dir,
    ...account,
    readyLine: /process up/,
  });
  const url = new URL(databaseUrl);
  url.port = String(port);
  return {
    url: url.href,
    async [Symbol.asyncDispose]() {
      await pgbouncer.kill();
      await Deno.remove(dir, { recursive: true });
    },
  };
}
