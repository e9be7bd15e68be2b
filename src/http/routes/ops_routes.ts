/**
 * `/ops` and `/ops/stream`: a page for the operators of a sale, and its data.
 *
 * The page itself contains no data and is public, as `/docs` is, because a browser that opens an address sends
 * no token. It asks for one when the stream requires it.
 *
 * @module
 */
import { createHash } from "node:crypto";
import type { Board } from "../../live/board.ts";
import { livePage } from "../../live/page.ts";
import { liveScript } from "../../live/script.ts";
import { liveStyle } from "../../live/style.ts";
import type { Route } from "../ports/route.ts";
import { clientAddress } from "../guard/client_address.ts";
import { buyerAt } from "../guard/fair_play.ts";
import type { RouteDependencies } from "./dependencies.ts";
import { retryLater } from "../write/problem.ts";
import { respond, securityHeaders } from "../write/response.ts";

const pageHeaders = {
  ...securityHeaders,
  "content-type": "text/html; charset=utf-8",
  "cache-control": "no-cache",
  "content-security-policy": [
    "default-src 'none'",
    `script-src '${digest(liveScript)}'`,
    `style-src '${digest(liveStyle)}'`,
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; "),
  "referrer-policy": "no-referrer",
};

const streamHeaders = {
  ...securityHeaders,
  "content-type": "text/event-stream",
  // A compressed event would wait for later ones to fill a block, and nginx would wait for a whole buffer.
  "cache-control": "no-store, no-transform",
  "x-accel-buffering": "no",
};

function digest(text: string): string {
  return `sha256-${createHash("sha256").update(text).digest("base64")}`;
}

/** `GET /ops`: the page. */
export function opsPage(): Route {
  return () => new Response(livePage, { headers: pageHeaders });
}

/**
 * `GET /ops/stream`: a snapshot at once and one a second, until the client disconnects or the process stops.
 */
export function opsStream({ access, trustedProxies }: RouteDependencies, board: Board): Route {
  return (request, connection) => {
    const caller = access.admit(request, "read");
    if (caller.kind === "refused") return respond(caller.answer);
    // No client would read or cancel the stream of a HEAD.
    if (request.method === "HEAD") return new Response(null, { headers: streamHeaders });
    const address = buyerAt(clientAddress(request.headers, connection, trustedProxies));
    const stream = board.open({ address, token: caller.value.name });
    if (stream !== undefined) return new Response(stream, { headers: streamHeaders });
    return respond(
      retryLater("too_many_streams", "Stream limit reached, or the server is shutting down", 5000, {}),
    );
  };
}
