/**
 * A real PostgreSQL for one test, which may kill, freeze and restart it.
 *
 * @module
 */
import { runCommand } from "./command.ts";
import { createDatabase } from "./database.ts";
import { programOf } from "./install.ts";
import type { Account, Host } from "./network.ts";
import { childrenOf, isGone, signalPid } from "./pid.ts";
import { OwnServer } from "./own_server.ts";
import { startProcess } from "./process.ts";
import { dataDir, runDir } from "./run_folder.ts";
import { waitFor } from "./wait.ts";

/** Settings in addition to the defaults (`-c`, `name=value`, …), which they override. */
export interface PostgresOptions {
  /** Appended to the command line. */
  readonly args?: readonly string[];
  /** Where it runs; on loopback when left out. */
  readonly host?: Host;
}

const COMMAND_DEADLINE_MS = 60_000;
const STOP_GRACE_MS = 3_000;
const CHILDREN_DEADLINE_MS = 5_000;

/** Starts a server with a cluster of its own; returns when it accepts connections. */
export async function startPostgres({ args = [], host }: PostgresOptions = {}): Promise<PostgresServer> {
  const account = await unprivileged();
  const template = await templateDir(account);
  const dir = await folderFor(account, "postgres");
  await runCommand("cp", ["-R", `${template}/.`, dir], { ...account, deadlineMs: COMMAND_DEADLINE_MS });
  if (host) {
    await Deno.writeTextFile(`${dir}/pg_hba.conf`, "host all all 198.18.0.0/15 trust\n", { append: true });
  }
  const server = new PostgresServer(args, dir, account, host);
  await server.start();
  return server;
}

/** A server on a port and folder that stay the same over {@link PostgresServer.kill} and a new start. */
export class PostgresServer extends OwnServer {
  /** Its own database `postgres`, as superuser. */
  readonly url: string;
  readonly #account: Account;
  readonly #args: readonly string[];
  readonly #host: Host | undefined;
  readonly #address: string;

  /** Use {@link startPostgres}. */
  constructor(args: readonly string[], dir: string, account: Account, host?: Host) {
    super(dir, "PostgreSQL");
    this.#host = host;
    this.#address = host?.address ?? "127.0.0.1";
    this.url = `postgres://postgres@${this.#address}:${this.port}/postgres`;
    this.#args = args;
    this.#account = account;
  }

  /** Starts it, the first time or again; returns when recovery is done and it accepts connections. */
  async start(): Promise<void> {
    const settings = {
      listen_addresses: this.#address,
      port: this.port,
      unix_socket_directories: "",
      fsync: "on",
      max_connections: 100,
    };
    const flags = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
    const program = programOf("postgres", "postgres");
    const args = ["-D", this.dir, ...flags, ...this.#args];
    const started = this.#host
      ? this.#host.command(program, args, this.#account) // root enters the host, then becomes another user
      : { command: program, args, ...this.#account };
    await this.startOnce(() =>
      startProcess({
        ...started,
        cwd: this.dir,
        readyLine: /database system is ready to accept (read-only )?connections/,
      })
    );
  }

  /**
   * kill -9 of the whole server, as when its machine goes down; waits until no process of it is left.
   * With the postmaster alone gone, a backend would go on with its query, and the next start would be
   * refused as long as it does.
   */
  override async kill(): Promise<void> {
    const { process } = this;
    process.freeze(); // so that it starts no child between the list and the signals
    const children = await childrenOf(process.pid);
    for (const pid of [process.pid, ...children]) signalPid(pid, "SIGKILL");
    await process.exited;
    await waitFor(() => children.every(isGone), {
      deadlineMs: CHILDREN_DEADLINE_MS,
      what: `the end of the children of PostgreSQL ${process.pid}`,
    });
    this.ended();
  }

  /** Stops the postmaster and every backend where they are; connections stay open and nothing answers. */
  override async freeze(): Promise<void> {
    const { process } = this;
    process.freeze(); // first, so that it starts no child that would be missed
    for (const pid of await childrenOf(process.pid)) signalPid(pid, "SIGSTOP");
  }

  /** Lets all of them go on. */
  override async thaw(): Promise<void> {
    const { process } = this;
    for (const pid of await childrenOf(process.pid)) signalPid(pid, "SIGCONT");
    process.thaw();
  }

  protected override async end(): Promise<void> {
    await this.thaw();
    // Not kill -9: that leaves a segment of shared memory behind for ever, and a machine has 4096.
    await this.process.stop(STOP_GRACE_MS);
    this.ended();
  }

  /** Creates an empty database and returns its URL. */
  freshDatabase(): Promise<string> {
    return createDatabase(this.url);
  }
}

/** A new cluster, made once a run: initdb takes 1.0 s, a copy 0.6 s (992 files; their number decides). */
async function templateDir(account: Account): Promise<string> {
  const template = `${runDir()}/postgres-template`;
  if (await exists(template)) return template;
  const unfinished = await folderFor(account, "postgres-template");
  const args = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"];
  await runCommand(programOf("postgres", "initdb"), [...args, "-D", unfinished], {
    ...account,
    cwd: unfinished,
    deadlineMs: COMMAND_DEADLINE_MS,
  });
  await Deno.rename(unfinished, template);
  return template;
}

/** A folder of the run that an account may write. */
export async function folderFor({ uid, gid }: Account, name: string): Promise<string> {
  const dir = await dataDir(name);
  if (uid !== undefined && gid !== undefined) await Deno.chown(dir, uid, gid);
  return dir;
}

/** PostgreSQL refuses root; its Debian package brings the user `postgres`. */
export async function unprivileged(): Promise<Account> {
  if (Deno.uid() !== 0) return {};
  const id = async (flag: string) =>
    Number(await runCommand("id", [flag, "postgres"], { deadlineMs: COMMAND_DEADLINE_MS }));
  return { uid: await id("-u"), gid: await id("-g") };
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
