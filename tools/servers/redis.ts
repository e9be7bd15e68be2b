/**
 * A real Redis or Valkey for one test, which may kill, freeze and restart it.
 *
 * @module
 */
import { runCommand } from "./command.ts";
import { programOf } from "./install.ts";
import type { Host } from "./network.ts";
import { OwnServer } from "./own_server.ts";
import { startProcess } from "./process.ts";
import { dataDir } from "./run_folder.ts";

/** The two servers that speak the protocol and must behave alike. */
export type RedisFlavour = "redis" | "valkey";

/** The server, and settings in addition to the defaults (`--name`, `value`, …), which they override. */
export interface RedisOptions {
  /** Redis when left out. */
  readonly flavour?: RedisFlavour;
  /** Appended to the command line. */
  readonly args?: readonly string[];
  /** Where it runs; on loopback when left out. */
  readonly host?: Host;
}

const CLI_DEADLINE_MS = 5_000;

// As it is shipped: an acknowledged write survives kill -9, and memory pressure never evicts stock.
// Without the diskless delay a replica starts up to 5 s late.
const SHIPPED_ARGS = [
  ...["--appendonly", "yes", "--appendfsync", "always", "--save", ""],
  ...["--maxmemory-policy", "noeviction", "--repl-diskless-sync-delay", "0"],
];

/** Starts a server with a data folder of its own; returns when it answers. */
export async function startRedis(
  { flavour = "redis", args = [], host }: RedisOptions = {},
): Promise<RedisServer> {
  const server = new RedisServer(flavour, args, await dataDir(flavour), host);
  await server.start();
  return server;
}

/** A server on a port and folder that stay the same over {@link RedisServer.kill} and a new start. */
export class RedisServer extends OwnServer {
  /** Which of the two it is. */
  readonly flavour: RedisFlavour;
  /** Its IPv4 address. */
  readonly address: string;
  /** Its address for clients. */
  readonly url: string;
  readonly #args: readonly string[];
  readonly #host: Host | undefined;

  /** Use {@link startRedis}. */
  constructor(flavour: RedisFlavour, args: readonly string[], dir: string, host?: Host) {
    super(dir, flavour);
    this.flavour = flavour;
    this.#host = host;
    this.address = host?.address ?? "127.0.0.1";
    this.url = `redis://${this.address}:${this.port}`;
    this.#args = args;
  }

  /** Starts it, the first time or again; returns when it has loaded its data and answers. */
  async start(): Promise<void> {
    const program = programOf(this.flavour, `${this.flavour}-server`);
    const args = [
      ...["--bind", this.address, "--port", String(this.port), "--dir", this.dir],
      ...this.#host ? ["--protected-mode", "no"] : [],
      ...SHIPPED_ARGS,
      ...this.#args,
    ];
    await this.startOnce(() =>
      startProcess({
        ...this.#host?.command(program, args) ?? { command: program, args },
        // Printed after the append-only file was read: no client gets LOADING from here on.
        readyLine: /Ready to accept connections/,
      })
    );
  }

  /** Sends one command and returns the reply as redis-cli prints it; an error reply is thrown. */
  async cli(...args: readonly string[]): Promise<string> {
    const reply = await runCommand(
      programOf("redis", "redis-cli"),
      ["-e", "-h", this.address, "-p", String(this.port), ...args],
      { deadlineMs: CLI_DEADLINE_MS },
    );
    return reply.replace(/\n$/, "");
  }
}
