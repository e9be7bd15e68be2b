/**
 * The options and limits of postgres.js, and the conversion of its errors.
 *
 * @module
 */
import postgres from "postgres";
import { parsePostgresUrl, type PostgresTarget } from "../../runtime/settings/postgres_url.ts";
import type { World } from "../../runtime/world.ts";
import { SqlError } from "../database.ts";

/** The address of the ledger. */
export interface PostgresOptions {
  /** `postgres://user:password@host:port/database`. */
  readonly url: string;
  readonly namespace: string;
  /** Shown in `pg_stat_activity`. */
  readonly applicationName: string;
  readonly world: World;
  /** Called after every statement and transaction; `error` is one word, empty after a success. */
  readonly onCall?: (system: "postgresql", operation: string, ms: number, error: string) => void;
}

/** Runs an operation, and reports its duration to `onCall`. */
export async function timed<T>(
  { onCall, world }: PostgresOptions,
  statement: string,
  run: () => Promise<T>,
): Promise<T> {
  if (!onCall) return await run();
  const startMs = world.elapsedMs();
  const report = (error: string) =>
    onCall("postgresql", operationOf(statement), world.elapsedMs() - startMs, error);
  try {
    const result = await run();
    report("");
    return result;
  } catch (error) {
    report(error instanceof SqlError ? error.sqlstate : error instanceof Error ? error.name : "broken");
    throw error;
  }
}

/** The first word of a statement, after comments. */
function operationOf(statement: string): string {
  return /^(?:\s|--.*\n)*(\w+)/.exec(statement)?.[1]?.toUpperCase() ?? "QUERY";
}

/** Limits on the server's side and on the client's. */
export const postgresBounds = {
  connectTimeoutMs: 5_000,
  /** Connections for reads outside leases (lookups of orders past the window). */
  poolMax: 4,
  poolIdleTimeoutMs: 60_000,
  poolLifetimeMs: 1_800_000,
  poolStatementTimeoutMs: 5_000,
  /** To connect and to run the statement, with a reserve for the response. */
  poolTimeoutMs: 12_000,
  /** A batch takes 60 ms; the longest statement counts a shard's SKUs or lines for a rebuild. */
  sessionStatementTimeoutMs: 30_000,
  /** Only another process that prepares the schema, or a lease that has not ended yet, can hold the lock. */
  lockTimeoutMs: 10_000,
  /**
   * A frozen worker would hold its session for ever; after this silence it loses the session, so another takes over
   * in 5 s.
   */
  silenceMaxMs: 3_000,
  /** Above the statement timeout, so that it ends only calls whose response was lost. */
  callTimeoutMs: 35_000,
  /** For the running statement when a session or the pool is closed. */
  closeTimeoutMs: 2_000,
} as const;

/** The target of postgres.js, which reads none of it from a URL or from `PG…` variables. */
export interface TargetOptions {
  /** Names, addresses or folders of unix sockets, tried in this order. The driver accepts lists; its types do not. */
  host: string;
  /** One per host. */
  port: number;
  /** The unix socket of the first host; undefined = TCP. */
  path?: string;
  database: string;
  username: string;
  /** Empty = none. */
  password: string;
  /** TLS: off, opportunistic, or with options. */
  ssl: false | "prefer" | TlsOptions;
  /** Undefined = any server. */
  target_session_attrs?: "read-write";
}

/** Options for `tls.connect`. */
export interface TlsOptions {
  /** Whether a certificate of an untrusted authority ends the connection. */
  rejectUnauthorized: boolean;
  /** Trusted authorities, PEM; undefined = the system's. */
  ca?: string;
  /** The client certificate, PEM. */
  cert?: string;
  /** Its key, PEM. */
  key?: string;
  /** Replaces the check of the server name. */
  checkServerIdentity?: () => undefined;
}

/**
 * The server of `url` as a target of postgres.js.
 *
 * @throws {RangeError} when the URL is invalid, or a certificate file cannot be read
 */
export function readTarget(url: string): PostgresTarget {
  const parsed = parsePostgresUrl(url);
  if (parsed.kind === "invalid") throw new RangeError(`DATABASE_URL must be ${parsed.rule}`);
  return parsed.value;
}

/** See {@link readTarget}; a session takes one of several hosts. */
export function targetOptions(target: PostgresTarget): TargetOptions {
  const { hosts, database, username, password, targetSession } = target;
  const [first] = hosts;
  return {
    host: hosts.map(({ host }) => host) as unknown as string,
    port: hosts.map(({ port }) => port) as unknown as number,
    ...first?.host.startsWith("/") && { path: `${first.host}/.s.PGSQL.${first.port}` },
    database,
    username,
    password,
    ssl: tlsOptions(target),
    ...targetSession !== "any" && { target_session_attrs: targetSession },
  };
}

/** As in libpq: `require` with a CA file verifies the certificate; without one it only encrypts. */
function tlsOptions({ sslMode, caFile, clientCertificate }: PostgresTarget): TargetOptions["ssl"] {
  if (sslMode === "disable") return false;
  if (sslMode === "prefer") return "prefer";
  const checksName = sslMode === "verify-full";
  return {
    rejectUnauthorized: sslMode !== "require" || caFile !== null,
    ...caFile !== null && { ca: readPem("sslrootcert", caFile) },
    ...clientCertificate && {
      cert: readPem("sslcert", clientCertificate.certFile),
      key: readPem("sslkey", clientCertificate.keyFile),
    },
    ...!checksName && { checkServerIdentity: () => undefined },
  };
}

function readPem(parameter: string, file: string): string {
  try {
    return Deno.readTextFileSync(file);
  } catch (cause) {
    throw new RangeError(
      `DATABASE_URL must be a URL whose ${parameter} is a file that can be read: ${file}`,
      { cause },
    );
  }
}

/** The options of postgres.js that pool and sessions share, with the driver's names. */
export interface DriverOptions {
  /** In seconds. */
  connect_timeout: number;
  /** Seconds of silence before a TCP keep-alive probe. */
  keep_alive: number;
  /** Whether statements are prepared once per connection. */
  prepare: boolean;
  /** Whether each connect queries the types of arrays. */
  fetch_types: boolean;
  /** 64-bit integers as numbers. */
  types: {
    bigint: { to: number; from: number[]; parse(text: string): number; serialize(value: number): string };
  };
  /** Whether errors contain statements and parameters. */
  debug: boolean;
  /** Called with notices of the server. */
  onnotice(): void;
  /** Startup settings of the session. */
  connection: Record<string, string | number>;
}

/** The options that pool and sessions share. */
export function driverOptions(options: PostgresOptions): DriverOptions {
  return {
    connect_timeout: postgresBounds.connectTimeoutMs / 1000,
    keep_alive: 10,
    prepare: true,
    fetch_types: false, // it would query array types at every connect; the ledger sends no arrays
    types: { bigint: { to: 20, from: [20], parse: Number, serialize: String } },
    debug: false,
    onnotice: () => {}, // "relation already exists, skipping"; errors arrive as errors
    // All other settings are set after connecting, see session_settings.ts; poolers accept this one.
    connection: { application_name: options.applicationName },
  };
}

/** Converts an error of the driver to `SqlError`. */
export function toSqlError(error: unknown): unknown {
  if (!(error instanceof postgres.PostgresError)) return error;
  return new SqlError(error.code, error.message, { cause: error });
}
