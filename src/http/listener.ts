/**
 * The socket: takes requests, bounds how many are under way, and survives a process that has no descriptor left.
 *
 * `Deno.serve` cannot bound its connections, and a failed `accept` ends it with all of them. So this class looks every
 * {@link checkMs} whether spare descriptors are left. When they are not, it replaces the server: the old one answers what
 * is under way and closes idle connections, the new one listens on the same port. A server that failed is replaced too.
 *
 * @module
 */
import { closeSync, openSync } from "node:fs";
import type { World } from "../world.ts";
import type { Connection } from "./connection.ts";
import type { Guard } from "./guard.ts";
import { retryLater } from "./problem.ts";
import { instant } from "./refusal.ts";
import { respond } from "./response.ts";

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
  /** Time and timers. */
  readonly world: World;
  /** Called every {@link checkMs}. */
  readonly onCheck: () => void;
  /** Told what was done about a failure or a shortage, in a sentence; `error` is null for a shortage. */
  readonly onReplaced: (why: string, error: unknown) => void;
  /** Told that the port could not be had again; the process has no purpose any more. */
  readonly onFailed: (error: unknown) => void;
}

const checkMs = 250;
/** Descriptors that must be free. Opening them takes 0.3 ms; a faster flood makes `accept` fail, which is mended too. */
const spare = 64;
/** Servers, files and connections that are no request: 12 shards on six nodes took 40. */
export const descriptorsBesideRequests = 256;
/** After a server was replaced, the port may still be taken for a moment: 1 to 20 ms were seen. */
const rebindMaxMs = 5000;
const rebindEveryMs = 10;

/** See the module. */
export class Listener {
  readonly #options: ListenerOptions;
  #requestsMax: number;
  #server: Deno.HttpServer<Deno.Addr>;
  #port: number;
  #underWay = 0;
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
    const wanted = this.#options.requestsMax + descriptorsBesideRequests;
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
    const options = { hostname, port: this.#port, onListen() {} };
    const server: Deno.HttpServer<Deno.Addr> = Deno.serve(
      options,
      (request, info) => this.#answer(request, info),
    );
    server.finished.catch((error) => {
      if (this.#stopping || server !== this.#server) return;
      void close(server);
      void this.#replace("the server failed and listens again; idle connections are closed", error);
    });
    return server;
  }

  #answer(request: Request, info: Connection): Response | Promise<Response> {
    const { guard, fetch, world } = this.#options;
    const refusal = guard(request);
    if (refusal !== null) return refusal;
    if (this.#underWay >= this.#requestsMax) {
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
    this.#cancelCheck = this.#options.world.after(checkMs, () => {
      if (this.#stopping) return;
      this.#options.onCheck();
      if (countDescriptors(spare) < spare) {
        void close(this.#server);
        void this.#replace("descriptors are short: idle connections are closed", null);
      }
      this.#checkLater();
    });
  }

  async #replace(why: string, error: unknown): Promise<void> {
    const { world, onReplaced, onFailed } = this.#options;
    const untilMs = world.elapsedMs() + rebindMaxMs;
    for (;;) {
      if (this.#stopping) return;
      try {
        this.#server = this.#serve();
        return onReplaced(why, error);
      } catch (cause) {
        if (world.elapsedMs() > untilMs) return onFailed(cause);
        await new Promise<void>((resolve) => world.after(rebindEveryMs, resolve));
      }
    }
  }
}

/**
 * Answers what is under way and closes idle connections, also of a server whose `accept` has failed: without this its
 * connections stay open for ever.
 */
function close(server: Deno.HttpServer<Deno.Addr>): Promise<void> {
  return server.shutdown().catch(() => {});
}

/**
 * How many descriptors this process can open now, at most `max`. Deno has no permission that shows the limit but the
 * one to all, so it opens this file so often. `node:fs` does that in 3 µs each; a `Deno.FsFile` takes 10.
 */
export function countDescriptors(max: number): number {
  const { pathname, protocol } = new URL(import.meta.url);
  // Where the code is no file (a bundle, a platform), nothing can be counted: assume that all is well.
  if (protocol !== "file:") return max;
  const open: number[] = [];
  try {
    while (open.length < max) open.push(openSync(pathname, "r"));
    return max;
  } catch (error) {
    return isShortage(error) ? open.length : max;
  } finally {
    for (const descriptor of open) closeSync(descriptor);
  }
}

function isShortage(error: unknown): boolean {
  return error instanceof Error && /EMFILE|too many open files/i.test(error.message);
}
