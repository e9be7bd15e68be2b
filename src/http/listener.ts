/**
 * The socket: takes requests, bounds connections and requests under way, and survives a process that has no descriptor
 * left.
 *
 * `Deno.serve` cannot bound its connections, and a failed `accept` ends it with all of them. So this class checks about
 * four times a second how many descriptors are in use. At the bound it replaces the server: new requests get 503
 * `overloaded` for the 270 ms that requests under way may take at most, then every connection is closed and a new server
 * listens on the same port. A server that failed is replaced likewise. `shutdown()` instead would leave the connections
 * of clients that never read their answers open for ever, and Deno 2.9 cannot abort a server after it.
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

/** What a listener is made of. */
export interface ListenerOptions {
  /** An address of this machine. */
  readonly hostname: string;
  /** 0 = a free one. */
  readonly port: number;
  /** Judges a request before `fetch` gets it. */
  readonly guard: Guard;
  /** Answers a request. */
  readonly fetch: (request: Request, connection: Connection) => Response | Promise<Response>;
  /** Requests under way; more get 503 `overloaded`. */
  readonly requestsMax: number;
  /** Open connections; at this number all are closed, within half a second. */
  readonly connectionsMax: number;
  /** Time and timers. */
  readonly world: World;
  /** Called about every {@link checkMs}. */
  readonly onCheck: () => void;
  /** Called with what was done about a failure or a shortage; `error` is null for a shortage. */
  readonly onReplaced: (why: string, error: unknown) => void;
  /** Told that the port could not be had again; the process has no purpose any more. */
  readonly onFailed: (error: unknown) => void;
}

/** On average. The time is random, so that no client can close connections just before each check. */
const checkMs = 250;
/** Descriptors that must be free. Opening them takes 0.3 ms; a faster flood makes `accept` fail, which is mended too. */
const spare = 64;
/** How long requests under way may take when all connections are about to be closed; an order takes 5 ms. */
const settleMaxMs = 250;
const settleEveryMs = 10;
/** From the last answer to the end of its connection: the answer must reach the socket. */
const flushMs = 20;
/** ClusterMap, files and connections that are no request: 12 shards on six nodes took 40. */
export const descriptorsBesideRequests = 256;
/** After a server was replaced, the port may still be taken for a moment: 1 to 20 ms were seen. */
const rebindMaxMs = 5000;
const rebindEveryMs = 10;

/** See the module. */
export class Listener {
  readonly #options: ListenerOptions;
  #requestsMax: number;
  /** Descriptors in use without any connection: at the start, and after connections were closed. */
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
   * @throws when the port cannot be had
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

  /** Where it listens. */
  get addr(): Deno.Addr {
    return this.#server.addr;
  }

  /**
   * Counts the descriptors that this process may open, which takes 3 µs each, and bounds the requests by them.
   *
   * @returns how many there are of those that are wanted; at most as many
   */
  boundByDescriptors(): { readonly descriptors: number; readonly wanted: number } {
    const { requestsMax, connectionsMax } = this.#options;
    const wanted = descriptorsWanted(requestsMax, connectionsMax);
    const descriptors = countDescriptors(wanted);
    this.#requestsMax = Math.max(1, descriptors - descriptorsBesideRequests);
    return { descriptors, wanted };
  }

  /** Takes no more connections and answers what is under way, for `timeoutMs` at most: some clients never read. */
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
        void this.#replace("the server failed and listens again; connections are closed", error);
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
      return respond(retryLater("overloaded", "Too many requests are under way here", 1000, { deadline }));
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
      if (count < spare) void this.#replace("descriptors are short: connections are closed", null);
      else if (last - spare >= this.#own + connectionsMax) {
        void this.#replace(`CONNECTIONS_MAX=${connectionsMax} are open: connections are closed`, null);
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
    // Connections to servers may have come since; without this a small CONNECTIONS_MAX would be reached for ever.
    this.#own = Math.min(descriptorsInUse(), this.#ownAtStart + descriptorsBesideRequests);
    await this.#listenAgain(why, error);
    this.#replacing = false;
  }

  /** Waits for the answers to requests under way, for a limited time. */
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

/** Answers what is under way, closes idle connections, and takes no new ones; also after a failure or an abort. */
function close(server: Deno.HttpServer<Deno.Addr>): Promise<void> {
  return server.shutdown().catch(() => {});
}

/** Descriptors that a process with these bounds can need. */
export function descriptorsWanted(requestsMax: number, connectionsMax: number): number {
  return Math.max(requestsMax, connectionsMax) + descriptorsBesideRequests;
}

/** How many descriptors this process can open now, at most `max`. */
export function countDescriptors(max: number): number {
  return openDescriptors(max).count;
}

/**
 * Descriptors in use; Infinity where files have numbers of Deno's own, which only rise: before Deno 2.9, and on
 * platforms without a file system.
 */
function descriptorsInUse(): number {
  // Another thread may open something in between.
  for (let tries = 0; tries < 5; tries++) {
    const { last } = openDescriptors(1);
    if (last > 0 && last === openDescriptors(1).last) return openDescriptors(spare).last - spare;
  }
  return Infinity;
}

/**
 * Opens descriptors until there are `max` or no more, and closes them. Deno has no permission that shows the limit or
 * what is open but the one to all, so it opens this file so often. `node:fs` does that in 3 µs each; a `Deno.FsFile`
 * takes 10.
 *
 * @returns how many were opened, and the number of the last: each is the lowest that was free, so all below are in use
 */
function openDescriptors(max: number): { readonly count: number; readonly last: number } {
  const { pathname, protocol } = new URL(import.meta.url);
  // Where the code is no file (a bundle, a platform), nothing can be counted: assume that all is well.
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
