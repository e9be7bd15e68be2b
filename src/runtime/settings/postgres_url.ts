/**
 * Parses `DATABASE_URL` for the driver. The parameters are those of libpq; settings on which Holdfast's safety depends
 * (`search_path`, time limits, `idle_session_timeout`) cannot be set here.
 *
 * @module
 */
import { BrokenRule, type HostPort, type Parsed, parsed, parseHostPort, splitUrl } from "./url_text.ts";

/** Encryption of the connection and verification of the server's certificate; libpq's names. */
export type SslMode = "disable" | "prefer" | "require" | "verify-ca" | "verify-full";

/** A PostgreSQL database. */
export interface PostgresTarget {
  /** Servers, tried in this order; a host that begins with `/` is the folder of a unix socket. */
  readonly hosts: readonly HostPort[];
  /** Empty = the driver must not guess: a user is required. */
  readonly username: string;
  /** Empty = none. */
  readonly password: string;
  /** The database; the user's name when left out, as in libpq. */
  readonly database: string;
  /** `disable` when left out. */
  readonly sslMode: SslMode;
  /** File with trusted CA certificates; null = the system's. */
  readonly caFile: string | null;
  /** Files of a client certificate and its key; null = none. */
  readonly clientCertificate: { readonly certFile: string; readonly keyFile: string } | null;
  /** Choice among several servers: the first that answers, or the first that accepts writes. */
  readonly targetSession: "any" | "read-write";
}

const example = "postgres://user:password@host:5432/database";
const sslModes: readonly string[] = [
  "disable",
  "prefer",
  "require",
  "verify-ca",
  "verify-full",
] satisfies SslMode[];
/** Parameters of providers and other clients, which have no effect here. */
const ignorable = new Set([
  "application_name",
  "channel_binding",
  "connect_timeout",
  "connection_limit",
  "fallback_application_name",
  "gssencmode",
  "keepalives",
  "keepalives_count",
  "keepalives_idle",
  "keepalives_interval",
  "options",
  "pgbouncer",
  "pool_timeout",
  "schema",
  "sslcrl",
  "sslnegotiation",
  "sslsni",
]);
const hostsMax = 16;

/** Parses the URL of a database. */
export function parsePostgresUrl(text: string): Parsed<PostgresTarget> {
  return parsed((ignored) => {
    const url = splitUrl(text, ["postgres", "postgresql"], example);
    const query = new Map(url.query);
    const take = (name: string) => {
      const value = query.get(name);
      query.delete(name);
      return value;
    };
    const username = take("user") ?? url.username;
    const password = take("password") ?? url.password;
    const hosts = parseHosts(url.authority, take("host"), take("port"));
    const sslMode = parseSslMode(take("sslmode"), take("ssl"));
    const caFile = take("sslrootcert");
    const certificate = { certFile: take("sslcert") ?? "", keyFile: take("sslkey") ?? "" };
    const targetSession = parseTarget(take("target_session_attrs"));
    const database = take("dbname") ?? url.path;
    for (const name of query.keys()) {
      if (!ignorable.has(name)) {
        throw new BrokenRule(
          `a URL without the parameter ${name}: Holdfast sets what it needs in the session itself`,
        );
      }
      ignored.push(name);
    }
    if (username === "") throw new BrokenRule(`a URL with a user, as ${example}`);
    if (database.includes("/")) {
      throw new BrokenRule(`a URL with one database behind the host, as ${example}`);
    }
    if ((certificate.certFile === "") !== (certificate.keyFile === "")) {
      throw new BrokenRule("a URL with both sslcert and sslkey, or with neither");
    }
    return {
      hosts,
      username,
      password,
      database: database === "" ? username : database,
      sslMode,
      caFile: caFile === undefined || caFile === "system" ? null : caFile,
      clientCertificate: certificate.certFile === "" ? null : certificate,
      targetSession,
    };
  });
}

function parseHosts(
  authority: string,
  hostParameter: string | undefined,
  ports: string | undefined,
): HostPort[] {
  if (authority !== "" && hostParameter !== undefined) {
    throw new BrokenRule("a URL with the host before the path, or in the parameter host, not in both");
  }
  const texts = (hostParameter ?? authority).split(",");
  const portTexts = ports === undefined ? [] : ports.split(",");
  const portOf = (i: number) => Number(portTexts[i] ?? portTexts[0] ?? "5432");
  const hosts = texts.map((text, i) => {
    const path = text.startsWith("%2F") || text.startsWith("%2f") ? decodeURIComponent(text) : text;
    if (path.startsWith("/")) return { host: path, port: portOf(i) };
    // In the parameter an IPv6 address has no brackets and a port no place, as in libpq.
    return parseHostPort(hostParameter !== undefined && path.includes(":") ? `[${path}]` : path, portOf(i));
  });
  const isUsable = (host: HostPort | undefined): host is HostPort =>
    host !== undefined && Number.isInteger(host.port) && host.port >= 1 && host.port <= 65_535;
  if (hosts.length > hostsMax || !hosts.every(isUsable)) {
    throw new BrokenRule(
      `a URL with 1 to ${hostsMax} of host:port, comma-separated, or the folder of a unix socket as ` +
        "postgres://user@/database?host=/var/run/postgresql",
    );
  }
  return hosts;
}

function parseSslMode(mode: string | undefined, ssl: string | undefined): SslMode {
  if (ssl !== undefined && ssl !== "true") {
    throw new BrokenRule("a URL with sslmode instead of the parameter ssl");
  }
  const wanted = mode === "allow" ? "prefer" : mode ?? (ssl === "true" ? "require" : "disable");
  if (!sslModes.includes(wanted)) {
    throw new BrokenRule(`a URL whose sslmode is one of ${sslModes.join(", ")}`);
  }
  return wanted as SslMode;
}

function parseTarget(attrs: string | undefined): PostgresTarget["targetSession"] {
  if (attrs === undefined || attrs === "any") return "any";
  if (attrs === "read-write" || attrs === "primary") return "read-write";
  throw new BrokenRule(
    "a URL whose target_session_attrs is any, read-write or primary: the ledger is written to",
  );
}
