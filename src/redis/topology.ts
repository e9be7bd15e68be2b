/**
 * A Redis Cluster as one of its nodes sees it: who claims which slots, and under which epoch.
 *
 * @module
 */

/** A master's claim to its slots. */
export interface Claim {
  /** The claimant's URL. */
  readonly url: string;
  /** Of two claims to a slot the one with the higher number holds: Redis's own rule. */
  readonly configEpoch: number;
}

/** What one node says of its cluster. */
export interface Topology {
  /** Every node that has an address, also those that are said to have failed. */
  readonly urls: readonly string[];
  /** Who claims a slot; undefined when nobody does. */
  claimTo(slot: number): Claim | undefined;
}

/** Flags of nodes that have no address, or are not known to belong to the cluster yet. */
const unreachable = /noaddr|handshake/;

/**
 * Reads the reply to `CLUSTER NODES`, one line a node:
 * `<id> <ip>:<port>@<bus port>[,<host name>] <flags> <master> <ping> <pong> <config epoch> <link> [<slot>[-<slot>] …]`.
 *
 * @param asked URL of the node that said so: user, password and TLS are the same for all nodes
 */
export function parseTopology(reply: string, asked: string): Topology {
  const urls: string[] = [];
  const ranges: { first: number; last: number; claim: Claim }[] = [];
  for (const line of reply.split("\n")) {
    const [, address = "", flags = "", , , , epoch = "", , ...slots] = line.split(" ");
    const [, ip = "", port = "", name = ""] = /^(.*):(\d+)@\d+(?:,([^,]*))?/.exec(address) ?? [];
    if (port === "" || unreachable.test(flags)) continue;
    // A certificate is made out to a name, if there is one.
    const url = urlOf(asked.startsWith("rediss:") && name !== "" ? name : ip, port, asked);
    urls.push(url);
    if (!flags.includes("master")) continue;
    const claim = { url, configEpoch: Number(epoch) };
    for (const range of slots) {
      const [, first, last = first] = /^(\d+)(?:-(\d+))?$/.exec(range) ?? []; // others are on the move
      if (first !== undefined) ranges.push({ first: Number(first), last: Number(last), claim });
    }
  }
  return {
    urls,
    claimTo: (slot) => ranges.find(({ first, last }) => first <= slot && slot <= last)?.claim,
  };
}

/**
 * Where `MOVED <slot> <host>:<port>` sends the caller.
 *
 * @param asked URL of the node that said so
 */
export function parseMoved(message: string, asked: string): string | undefined {
  const [, host = "", port] = /^MOVED \d+ (.*):(\d+)$/.exec(message) ?? [];
  return port === undefined ? undefined : urlOf(host === "?" ? "" : host, port, asked);
}

/** A node that does not know its own address is where it was asked. */
function urlOf(host: string, port: string, asked: string): string {
  const url = new URL(asked);
  if (host !== "") url.hostname = host.includes(":") ? `[${host}]` : host;
  url.port = port;
  return url.href;
}
