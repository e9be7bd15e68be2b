/**
 * A request handler, and the connection that a request came on.
 *
 * @module
 */
import type { RequestRecord } from "./observer.ts";

/** What `Deno.serve` passes to its handler in addition to the request. */
export interface Connection {
  /** The peer; undefined without a socket, as in tests. */
  readonly remoteAddr?: {
    /** Its address; undefined for sockets without one. */
    readonly hostname?: string;
  } | undefined;
  /** The record of the request; undefined when it is not observed. */
  readonly requestRecord?: RequestRecord | undefined;
}

/** Handles one request. Only `app.ts` uses the framework that calls it. */
export type Route = (request: Request, connection: Connection) => Response | Promise<Response>;
