/**
 * From which address a request comes.
 *
 * @module
 */

import type { Connection } from "../ports/route.ts";

/** Some proxies write the port as well: `203.0.113.7:4711`, `[2001:db8::7]:4711`. */
const withPort = /^(?:\[([^\]]*)\](?::\d+)?|([\d.]+):\d+)$/;

/**
 * The client's address: the other end of the connection, or what the outermost of `trustedProxies` proxies
 * saw. Each proxy appends the address it was called from, so only the last `trustedProxies` entries were
 * written by them; what stands before is what the client claims.
 */
export function clientAddress(headers: Headers, connection: Connection, trustedProxies: number): string {
  const peer = connection.remoteAddr?.hostname ?? "";
  const forwarded = trustedProxies === 0 ? null : headers.get("x-forwarded-for");
  if (forwarded === null) return peer;
  const entries = forwarded.split(",");
  // Fewer entries than proxies: some proxy was passed by; the first entry is from one that was not.
  const entry = (entries.at(-trustedProxies) ?? entries[0] ?? "").trim();
  const [, ipv6, ipv4] = withPort.exec(entry) ?? [];
  return ipv6 ?? ipv4 ?? entry;
}
