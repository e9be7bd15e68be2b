/**
 * A Redis Cluster as one of its nodes sees it: claims to slots with their epochs.
 *
 * @module
 */

/** A master's claim to its slots. */
export interface Claim {
  /** URL of the master. */
  readonly url: string;
  /** Of two claims to a slot the one with the higher number counts, as in Redis. */
  readonly configEpoch: number;
}

/** The view of one node of its cluster. */
export interface Topology {
  /** All nodes that have an address, failed ones included. */
  readonly urls: readonly string[];
  /** The claim to a slot; undefined without one. */
  claimTo(slot: number): Claim | undefined;
}

/** Flags of nodes that have no address, or are not known to belong to the cluster yet. */
const unreachable = /noaddr|handshake/;

/**
 * Parses the reply to `CLUSTER NODES`, one line per node:
 * `<id> <ip>:<port>@<bus port>[,<host name>] <flags> <master> <ping> <pong> <config epoch> <link> [<slot>[-<slot>]
 * …]`.
 *
 * @param asked URL of the node that replied: user, password and TLS are the same for all nodes
 */
export function parseTopology(reply: string, asked: string): Topology {
  const urls: string[] = [];
  const ranges: { first: number; last: number; claim: Claim }[] = [];
  for (const line of reply.split("\n")) {
    const [, address = "", flags = "", , , , epoch = "", , ...slots] = line.split(" ");
    const [, ip = "", port = "", name = ""] = /^(.*):(\d+)@\d+(?:,([^,]*))?/.exec(address) ?? [];
    if (port === "" || unreachable.test(flags)) continue;
    // A certificate is issued for a name, if there is one.
    const url = urlOf(asked.startsWith("rediss:") && name !== "" ? name : ip, port, asked);
    urls.push(url);
    if (!flags.includes("master")) continue;
    const claim = { url, configEpoch: Number(epoch) };
    for (const range of slots) {
      const [, first, last = first] = /^(\d+)(?:-(\d+))?$/.exec(range) ?? []; // other ones are being moved
      if (first !== undefined) ranges.push({ first: Number(first), last: Number(last), claim });
    }
  }
  return {
    urls,
    claimTo: (slot) => ranges.find(({ first, last }) => first <= slot && slot <= last)?.claim,
  };
}

/**
 * The server that `MOVED <slot> <host>:<port>` names.
 *
 * @param asked URL of the node that replied
 */
export function parseMoved(message: string, asked: string): string | undefined {
  const [, host = "", port] = /^MOVED \d+ (.*):(\d+)$/.exec(message) ?? [];
  return port === undefined ? undefined : urlOf(host === "?" ? "" : host, port, asked);
}

/** A node that does not know its own address has the address of the request. */
function urlOf(host: string, port: string, asked: string): string {
  const url = new URL(asked);
  if (host !== "") url.hostname = host.includes(":") ? `[${host}]` : host;
  url.port = port;
  return url.href;
}
