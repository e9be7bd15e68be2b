/**
 * What a request must be before any route sees it: it names a host that is one, and without tokens it comes from this
 * machine and from no page of another site.
 *
 * @module
 */
import { problem } from "../write/problem.ts";
import { respond } from "../write/response.ts";

/** Judges a request; null = it may go on. */
export type Guard = (request: Request) => Response | null;

/** `host[:port]` (RFC 9110, 7.2). Deno puts the header into the URL as it is: a `/` in it would choose the route. */
const hostSyntax = /^(?:[\w.-]{1,253}|\[[\da-f:.]{2,45}\])(?::\d{1,5})?$/i;
/** Names of this machine only: a page that rebinds its own name to 127.0.0.1 sends its own name. */
const loopbackHost = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?$/i;

const invalidHost = problem(
  "invalid_host",
  "The request must carry one Host header of the form host or host:port",
);
const notLoopback = problem(
  "invalid_host",
  "Without API_TOKENS the Host must be localhost, 127.0.0.1 or [::1]: current value names another",
);
const crossSite = problem(
  "cross_site_request",
  "Without API_TOKENS no page of another site may call this: set API_TOKENS and CORS_ORIGINS",
);

/**
 * The host that a request names. HTTP/2 has it in `:authority`, which Deno puts into the URL alone; for HTTP/1.1
 * without a Host header Deno writes `localhost` there.
 */
function hostOf(request: Request): string | null {
  const host = request.headers.get("host");
  if (host !== null) return host;
  const url = new URL(request.url);
  return url.hostname === "localhost" ? null : url.host;
}

/** The guard of an API where tokens say who may call. */
export function guardHost(request: Request): Response | null {
  const host = hostOf(request);
  return host !== null && hostSyntax.test(host) ? null : respond(invalidHost);
}

/** The guard of an API that is open to this machine: browsers on it are not, but for its own pages. */
export function guardOpen(request: Request): Response | null {
  const host = hostOf(request);
  if (host === null || !hostSyntax.test(host)) return respond(invalidHost);
  if (!loopbackHost.test(host)) return respond(notLoopback);
  // Browsers send it with every request; nobody else does.
  const site = request.headers.get("sec-fetch-site");
  return site === null || site === "same-origin" || site === "none" ? null : respond(crossSite);
}
