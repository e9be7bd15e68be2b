/**
 * CORS (the Fetch standard): the web origins that may call the API from a page. Off by default, because most
 * shops call the API from their own backend.
 *
 * @module
 */
import type { Route } from "../ports/route.ts";
import { securityHeaders } from "../write/response.ts";

/** How long a browser may cache a preflight response, in seconds. Chrome's maximum is 7200. */
const preflightMaxAgeS = 7200;

const preflightHeaders = {
  ...securityHeaders,
  "access-control-allow-methods": "GET, POST, PUT",
  "access-control-allow-headers":
    "authorization, baggage, content-type, order-attempt, purchase-token, traceparent, tracestate",
  "access-control-max-age": String(preflightMaxAgeS),
};

/** Headers that a page may read in addition to those that it always may. */
const exposed = "idempotency-replayed, order-attempt, ratelimit, ratelimit-policy, retry-after";

/** Lets pages of `origins` read the responses of `fetch`, and answers their preflights. */
export function withCors(origins: readonly string[], fetch: Route): Route {
  const allowed = new Set(origins);
  return async (request, connection) => {
    const origin = request.headers.get("origin");
    const isAllowed = origin !== null && allowed.has(origin);
    const response = isAllowed && isPreflight(request)
      ? new Response(null, { status: 204, headers: preflightHeaders })
      : await fetch(request, connection);
    // Also for other origins and none: a shared cache must not serve a response to another origin.
    response.headers.append("vary", "origin");
    if (isAllowed) {
      response.headers.set("access-control-allow-origin", origin);
      response.headers.set("access-control-expose-headers", exposed);
    }
    return response;
  };
}

function isPreflight(request: Request): boolean {
  return request.method === "OPTIONS" && request.headers.has("access-control-request-method");
}
