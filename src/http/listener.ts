/**
 * The socket: accepts requests, limits connections and concurrent requests, and survives a process without free
 * descriptors.
 *
 * `Deno.serve` cannot limit its connections, and a failed `accept` ends the server with all of them. This class
 * therefore counts the descriptors in use about four times a second. At the limit it replaces the server: new
 * requests get 503 `overloaded` for at most 270 ms, until running requests are complete; then all connections
 * are closed, and a new server listens on the same port. A failed server is replaced likewise. `shutdown()` is
 * no substitute: it keeps the connections of clients that never read their responses open for ever, and Deno
 * 2.9 cannot abort a server after it.
 *
 * @module
 */
import { closeSync, openSync } from "node:fs";
import { sleep, type World } from "../runtime/world.ts";
import type { Connection } from "./ports/route.ts";
import type { Guard } from "./guard/guard.ts";
import { retryLater } from "./write/problem.ts";
import { instant } from "./write/refusal.ts";
import { respond } from "./write/response.ts";

export interface ListenerOptions {
  /** An address of this machine. */
  readonly hostname: string;
  /** 0 = any free port. */
  readonly port: number;
  /** Checks a request before `fetch` gets it. */
  readonly guard: Guard;
  /** Handles a request. */
  readonly fetch: (request: Request, connection: Connection) => Response | Promise<Response>;
  /** Maximum of concurrent requests; more get 503 `overloaded`. */
  readonly requestsMax: number;
  /** Maximum of open connections; at this number all are closed within half a second. */
  readonly connectionsMax: number;
  readonly world: World;
  /** Called about every {@link checkMs}. */
  readonly onCheck: () => void;
  /** Called after a replacement with its reason; `error` is null for a shortage. */
  readonly onReplaced: (why: string, error: unknown) => void;
  /** Called when the port cannot be opened again. The process should exit. */
  readonly onFailed: (error: unknown) => void;
}

/** The average. The interval is random, so that no client can close its connections just before each check. */
const checkMs = 250;
/**
 * Descriptors that must be free. Opening them takes 0.3 ms. A faster flood makes `accept` fail, after which the
 * server is replaced as well.
 */
const spare = 64;
/** How long running requests may take before all connections are closed; an order takes 5 ms. */
const settleMaxMs = 250;
const settleEveryMs = 10;
/** From the last response to the end of its connection, so that the response reaches the socket. */
const flushMs = 20;
/** Descriptors of server connections and files: 12 shards on six nodes took 40. */
export const ownDescriptorsMax = 256;
/** After the replacement of a server the port may be in use for 1 to 20 ms. */
const rebindMaxMs = 5000;
const rebindEveryMs = 10;

/** See the module. */
export class Listener {
  readonly #options: ListenerOptions;
  #requestsMax: number;
  /** Descriptors in use without client connections: at the start, and after connections were closed. */
  readonly #ownAtStart: number;
  #own: number;
  #server: Deno.HttpServer<Deno.Addr>;
  #abort = new AbortController();
  #port: number;
  #underWay = 0;
  #replacing = false;
  #stopping = false;
  #cancelCheck: (() => void) | undefined;

  /**
   * Listens.
   *
   * @throws when the port cannot be opened
   */
  constructor(options: ListenerOptions) {
    this.#options = options;
    this.#requestsMax = options.requestsMax;
    this.#port = options.port;
    this.#server = this.#serve();
    const { addr } = this.#server;
    if ("port" in addr) this.#port = addr.port;
    this.#ownAtStart = this.#own = descriptorsInUse();
    this.#checkLater();
  }

  get addr(): Deno.Addr {
    return this.#server.addr;
  }

  /**
   * Counts the descriptors that this process may open, 3 µs each, and limits the requests accordingly.
   *
   * @returns the number of descriptors, at most `wanted`
   */
  boundByDescriptors(): { readonly descriptors: number; readonly wanted: number } {
    const { requestsMax, connectionsMax } = this.#options;
    const wanted = descriptorsWanted(requestsMax, connectionsMax);
    const descriptors = countDescriptors(wanted);
    this.#requestsMax = Math.max(1, descriptors - ownDescriptorsMax);
    return { descriptors, wanted };
  }

  /**
   * Accepts no more connections and completes running requests, for at most `timeoutMs`, because some clients
   * never read.
   */
  async shutdown(timeoutMs: number): Promise<void> {
    this.#stopping = true;
    this.#cancelCheck?.();
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const cancel = this.#options.world.after(timeoutMs, resolve);
    await Promise.race([close(this.#server), late]);
    cancel();
  }

  #serve(): Deno.HttpServer<Deno.Addr> {
    const { hostname } = this.#options;
    this.#abort = new AbortController();
    const options = { hostname, port: this.#port, signal: this.#abort.signal, onListen() {} };
    const server: Deno.HttpServer<Deno.Addr> = Deno.serve(
      options,
      (request, info) => this.#answer(request, info),
    );
    server.finished.catch((error) => {
      if (server === this.#server) {
        void this.#replace("the server failed and was restarted; its connections were closed", error);
      }
    });
    return server;
  }

  #answer(request: Request, info: Connection): Response | Promise<Response> {
    const { guard, fetch, world } = this.#options;
    const refusal = guard(request);
    if (refusal !== null) return refusal;
    if (this.#replacing || this.#underWay >= this.#requestsMax) {
      const deadline = instant(world.now());
      return respond(retryLater("overloaded", "Too many concurrent requests", 1000, { deadline }));
    }
    const response = fetch(request, info);
    if (response instanceof Response) return response;
    this.#underWay++;
    return this.#counted(response);
  }

  async #counted(response: Promise<Response>): Promise<Response> {
    try {
      return await response;
    } finally {
      this.#underWay--;
    }
  }

  #checkLater(): void {
    const { world, onCheck, connectionsMax } = this.#options;
    this.#cancelCheck = world.after(checkMs * (0.5 + world.random()), () => {
      if (this.#stopping) return;
      onCheck();
      const { count, last } = openDescriptors(spare);
      if (count < spare) void this.#replace("file descriptors are short: all connections were closed", null);
      else if (last - spare >= this.#own + connectionsMax) {
        void this.#replace(`CONNECTIONS_MAX=${connectionsMax} reached: all connections were closed`, null);
      }
      this.#checkLater();
    });
  }

  async #replace(why: string, error: unknown): Promise<void> {
    if (this.#replacing || this.#stopping) return;
    this.#replacing = true;
    await this.#settle();
    // Not after `shutdown()`: Deno throws then, outside of any promise.
    if (!this.#stopping) this.#abort.abort();
    await sleep(this.#options.world, flushMs);
    // Connections to servers may be new; without this, a small CONNECTIONS_MAX would always be reached.
    this.#own = Math.min(descriptorsInUse(), this.#ownAtStart + ownDescriptorsMax);
    await this.#listenAgain(why, error);
    this.#replacing = false;
  }

  /** Waits for running requests, at most {@link settleMaxMs}. */
  async #settle(): Promise<void> {
    const { world } = this.#options;
    const untilMs = world.elapsedMs() + settleMaxMs;
    while (this.#underWay > 0 && world.elapsedMs() < untilMs) await sleep(world, settleEveryMs);
    await sleep(world, flushMs);
  }

  async #listenAgain(why: string, error: unknown): Promise<void> {
    const { world, onReplaced, onFailed } = this.#options;
    const untilMs = world.elapsedMs() + rebindMaxMs;
    for (;;) {
      if (this.#stopping) return;
      try {
        this.#server = this.#serve();
        return onReplaced(why, error);
      } catch (cause) {
        if (world.elapsedMs() > untilMs) return onFailed(cause);
        await sleep(world, rebindEveryMs);
      }
    }
  }
}

/**
 * Completes running requests, closes idle connections and accepts no new ones; also after a failure or an
 * abort.
 */
function close(server: Deno.HttpServer<Deno.Addr>): Promise<void> {
  return server.shutdown().catch(() => {});
}

/** The descriptors that a process with these limits can need. */
export function descriptorsWanted(requestsMax: number, connectionsMax: number): number {
  return Math.max(requestsMax, connectionsMax) + ownDescriptorsMax;
}

/** The number of descriptors that this process can open now, at most `max`. */
export function countDescriptors(max: number): number {
  return openDescriptors(max).count;
}

/**
 * Descriptors in use. Infinity where file numbers are Deno's own and only increase: before Deno 2.9, and on
 * platforms without a file system.
 */
function descriptorsInUse(): number {
  // Another thread may open a descriptor in between.
  for (let tries = 0; tries < 5; tries++) {
    const { last } = openDescriptors(1);
    if (last > 0 && last === openDescriptors(1).last) return openDescriptors(spare).last - spare;
  }
  return Infinity;
}

/**
 * Opens descriptors until there are `max` or no more, and closes them. Only the permission to everything lets
 * Deno read the limit or the open descriptors, so this opens its own file repeatedly. `node:fs` takes 3 µs
 * each, a `Deno.FsFile` 10.
 *
 * @returns how many were opened, and the last number: each is the lowest free one, so all below are in use
 */
function openDescriptors(max: number): { readonly count: number; readonly last: number } {
  const { pathname, protocol } = new URL(import.meta.url);
  // Where the code is not a file (a bundle, a platform), descriptors cannot be counted: assume enough.
  if (protocol !== "file:") return { count: max, last: 0 };
  const open: number[] = [];
  try {
    while (open.length < max) open.push(openSync(pathname, "r"));
    return { count: max, last: open.at(-1) ?? 0 };
  } catch (error) {
    return { count: isShortage(error) ? open.length : max, last: open.at(-1) ?? 0 };
  } finally {
    for (const descriptor of open) closeSync(descriptor);
  }
}

function isShortage(error: unknown): boolean {
  return error instanceof Error && /EMFILE|too many open files/i.test(error.message);
}
