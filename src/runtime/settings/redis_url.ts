/**
 * Parses `REDIS_URL` for the driver.
 *
 * @module
 */
import { BrokenRule, type HostPort, type Parsed, parsed, parseHostPort, splitUrl } from "./url_text.ts";

/** One Redis server. */
export interface RedisTarget extends HostPort {
  /** Empty = the default user. */
  readonly username: string;
  /** Empty = none. */
  readonly password: string;
  /** Database, 0..9999. */
  readonly db: number;
  /** Whether the connection is encrypted, with the server's certificate checked. */
  readonly tls: boolean;
  /** Address family of a host name; 0 = both. */
  readonly family: 0 | 4 | 6;
}

const example = "redis://user:password@host:6379/0";
/** Parameters of providers and other clients, which have no effect here. */
const ignorable = new Set(["protocol", "ssl_cert_reqs", "tls", "ssl", "client_name", "name"]);

/** Parses the URL of one server. */
export function parseRedisUrl(text: string): Parsed<RedisTarget> {
  return parsed((ignored) => {
    const { scheme, username, password, authority, path, query } = splitUrl(
      text,
      ["redis", "rediss"],
      example,
    );
    const address = parseHostPort(authority, 6379);
    if (address === undefined) {
      throw new BrokenRule(`a URL with one host and a port from 1 to 65535, as ${example}`);
    }
    if (!/^\d{0,4}$/.test(path)) throw new BrokenRule(`a URL whose path is a database number, as ${example}`);
    let family: 0 | 4 | 6 = 0;
    for (const [name, value] of query) {
      if (name === "family" && /^[046]$/.test(value)) family = Number(value) as 0 | 4 | 6;
      else if ((name === "tls" || name === "ssl") && value === "true" && scheme === "redis") {
        throw new BrokenRule(`a URL that begins with rediss:// instead of the parameter ${name}`);
      } else if (ignorable.has(name)) ignored.push(name);
      else throw new BrokenRule(`a URL without the parameter ${name}: only family=4 or family=6 is known`);
    }
    return { ...address, username, password, db: Number(path), tls: scheme === "rediss", family };
  });
}

/**
 * One server, or nodes of one Redis Cluster: of one scheme, and with database 0 as a cluster has no other.
 *
 * @param text URLs, comma-separated
 */
export function parseRedisUrls(text: string, urlsMax: number): Parsed<readonly string[]> {
  return parsed((ignored) => {
    const urls = text.split(",").map((url) => url.trim());
    if (urls.length > urlsMax) throw new BrokenRule(`at most ${urlsMax} URLs, comma-separated`);
    const targets = urls.map((url) => {
      const target = parseRedisUrl(url);
      if (target.kind === "invalid") throw new BrokenRule(target.rule);
      ignored.push(...target.ignored);
      return target.value;
    });
    if (targets.some(({ tls }) => tls !== targets[0]?.tls)) {
      throw new BrokenRule("URLs that all begin with redis://, or all with rediss://");
    }
    if (targets.length > 1 && targets.some(({ db }) => db !== 0)) {
      throw new BrokenRule("URLs of database 0, when there are several: a Redis Cluster has no other");
    }
    return urls;
  });
}
