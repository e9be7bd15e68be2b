/**
 * The client address of a request.
 *
 * @module
 */

import type { Connection } from "../ports/route.ts";

/** Some proxies append the port: `203.0.113.7:4711`, `[2001:db8::7]:4711`. */
const withPort = /^(?:\[([^\]]*)\](?::\d+)?|([\d.]+):\d+)$/;

/**
 * The client's address: the peer of the connection, or the address that the outermost of `trustedProxies`
 * proxies saw. Each proxy appends the address of its peer, so only the last `trustedProxies` entries are
 * trustworthy; earlier entries are claims of the client.
 */
export function clientAddress(headers: Headers, connection: Connection, trustedProxies: number): string {
  const peer = connection.remoteAddr?.hostname ?? "";
  const forwarded = trustedProxies === 0 ? null : headers.get("x-forwarded-for");
  if (forwarded === null) return peer;
  const entries = forwarded.split(",");
  // Fewer entries than proxies: the request bypassed a proxy, and the first entry is from one that it passed.
  const entry = (entries.at(-trustedProxies) ?? entries[0] ?? "").trim();
  const [, ipv6, ipv4] = withPort.exec(entry) ?? [];
  return ipv6 ?? ipv4 ?? entry;
}
