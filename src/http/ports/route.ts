/**
 * A request handler, and the connection that a request came on.
 *
 * @module
 */
import type { RequestRecord } from "./observer.ts";

/** What the server knows of a request beyond the request, as `Deno.serve` tells it. */
export interface Connection {
  /** The other end; left out where there is no socket, as in tests. */
  readonly remoteAddr?: {
    /** Its address; left out for sockets without one. */
    readonly hostname?: string;
  } | undefined;
  /** What is noted of the request; left out when nobody watches. */
  readonly requestRecord?: RequestRecord | undefined;
}

/** Answers one request. Only `app.ts` knows the framework that calls it. */
export type Route = (request: Request, connection: Connection) => Response | Promise<Response>;
