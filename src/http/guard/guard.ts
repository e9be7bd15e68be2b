/**
 * Checks that precede every route: the Host header is valid, and without tokens the request comes from this
 * machine and not from a page of another site.
 *
 * @module
 */
import { problem } from "../write/problem.ts";
import { respond } from "../write/response.ts";

/** Checks a request; null = it may continue. */
export type Guard = (request: Request) => Response | null;

/**
 * `host[:port]` (RFC 9110, 7.2). Deno copies the header into the URL unchanged: a `/` in it would select the
 * route.
 */
const hostSyntax = /^(?:[\w.-]{1,253}|\[[\da-f:.]{2,45}\])(?::\d{1,5})?$/i;
/** Names of this machine only. A page that rebinds its own name to 127.0.0.1 sends its own name. */
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
  "Without API_TOKENS no page of another site may call the API: set API_TOKENS and CORS_ORIGINS",
);

/**
 * The host of a request. HTTP/2 sends it in `:authority`, which Deno puts only into the URL; for HTTP/1.1
 * without a Host header Deno writes `localhost` there.
 */
function hostOf(request: Request): string | null {
  const host = request.headers.get("host");
  if (host !== null) return host;
  const url = new URL(request.url);
  return url.hostname === "localhost" ? null : url.host;
}

/** The guard of an API with tokens. */
export function guardHost(request: Request): Response | null {
  const host = hostOf(request);
  return host !== null && hostSyntax.test(host) ? null : respond(invalidHost);
}

/** The guard of an API that is open to this machine: browsers are refused, except on the API's own pages. */
export function guardOpen(request: Request): Response | null {
  const host = hostOf(request);
  if (host === null || !loopbackHost.test(host)) {
    return respond(host === null || !hostSyntax.test(host) ? invalidHost : notLoopback);
  }
  // Browsers send this header with every request; other clients do not.
  const site = request.headers.get("sec-fetch-site");
  return site === null || site === "same-origin" || site === "none" ? null : respond(crossSite);
}
