/**
 * How this project speaks to postgres.js: every option and bound, and its errors in the port's words.
 *
 * @module
 */
import postgres from "postgres";
import { parsePostgresUrl, type PostgresTarget } from "../../runtime/settings/postgres_url.ts";
import type { World } from "../../runtime/world.ts";
import { SqlError } from "../database.ts";

/** Where the ledger is. */
export interface PostgresOptions {
  /** `postgres://user:password@host:port/database`. */
  readonly url: string;
  /** The schema. */
  readonly namespace: string;
  /** Shown in `pg_stat_activity`. */
  readonly applicationName: string;
  /** Timers and dice. */
  readonly world: World;
  /** Told of every statement and transaction when it has ended; `error` is one word, empty when it went well. */
  readonly onCall?: (system: "postgresql", operation: string, ms: number, error: string) => void;
}

/** Runs an operation, and tells how long it took when somebody wants to know. */
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

/** The first word of a statement, past comments. */
function operationOf(statement: string): string {
  return /^(?:\s|--.*\n)*(\w+)/.exec(statement)?.[1]?.toUpperCase() ?? "QUERY";
}

/** Bounds on the server's side and on ours. */
export const postgresBounds = {
  connectTimeoutMs: 5_000,
  /** Connections for reads outside of leases (an order looked up past the window). */
  poolMax: 4,
  poolIdleTimeoutMs: 60_000,
  poolLifetimeMs: 1_800_000,
  poolStatementTimeoutMs: 5_000,
  /** To connect and to run the statement, with a reserve for the answer. */
  poolTimeoutMs: 12_000,
  /** A batch takes 60 ms; the longest statement is the count of a shard's SKUs or lines at a rebuild. */
  sessionStatementTimeoutMs: 30_000,
  /** Only another process that prepares the schema, or the holder of a lease not yet ended, can be in the way. */
  lockTimeoutMs: 10_000,
  /** A frozen worker keeps its session for ever; silent for this long it loses it, so another takes over in 5 s. */
  silenceMaxMs: 3_000,
  /** Above the statement timeout, so that this one only ends calls whose answer was lost on the way. */
  callTimeoutMs: 35_000,
  /** For the statement under way when a session or the pool is closed. */
  closeTimeoutMs: 2_000,
} as const;

/** What postgres.js knows of the server; none of it is read from a URL or from `PG…` variables. */
export interface TargetOptions {
  /** Names, addresses or folders of unix sockets, tried in this order. The driver takes lists; its types do not know. */
  host: string;
  /** One a host. */
  port: number;
  /** The unix socket of the first host; left out = TCP. */
  path?: string;
  /** The database. */
  database: string;
  /** The user. */
  username: string;
  /** Empty = none. */
  password: string;
  /** How the connection is encrypted. */
  ssl: false | "prefer" | TlsOptions;
  /** Left out = any server. */
  target_session_attrs?: "read-write";
}

/** What postgres.js passes to `tls.connect`. */
export interface TlsOptions {
  /** Whether a certificate that no trusted authority signed ends the connection. */
  rejectUnauthorized: boolean;
  /** Trusted authorities, PEM; left out = the system's. */
  ca?: string;
  /** This client's certificate, PEM. */
  cert?: string;
  /** Its key, PEM. */
  key?: string;
  /** Replaces the check of the server's name. */
  checkServerIdentity?: () => undefined;
}

/**
 * The server of `url` as postgres.js wants it.
 *
 * @throws {RangeError} when the URL breaks a rule, or a certificate's file cannot be read
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

/** As libpq has it: `require` with a CA file checks the certificate, without one it only encrypts. */
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

/** The options of postgres.js that pool and sessions share, under the names they have there. */
export interface DriverOptions {
  /** Seconds. */
  connect_timeout: number;
  /** Seconds of silence before TCP asks whether the other side is there. */
  keep_alive: number;
  /** Whether statements are prepared once a connection. */
  prepare: boolean;
  /** Whether every connect asks for the types of arrays. */
  fetch_types: boolean;
  /** 64-bit integers as numbers. */
  types: {
    bigint: { to: number; from: number[]; parse(text: string): number; serialize(value: number): string };
  };
  /** Whether errors carry statements and parameters. */
  debug: boolean;
  /** Hears the server's notices. */
  onnotice(): void;
  /** Settings of the server's session. */
  connection: Record<string, string | number>;
}

/** What pool and sessions have in common; times in seconds, as postgres.js wants them. */
export function driverOptions(options: PostgresOptions): DriverOptions {
  return {
    connect_timeout: postgresBounds.connectTimeoutMs / 1000,
    keep_alive: 10,
    prepare: true,
    fetch_types: false, // it would ask for array types at every connect; no array is ever sent
    types: { bigint: { to: 20, from: [20], parse: Number, serialize: String } },
    debug: false,
    onnotice: () => {}, // "relation already exists, skipping"; errors come as errors
    // Every other setting is set after connecting, see postgres_settings.ts: poolers let this one through.
    connection: { application_name: options.applicationName },
  };
}

/** The driver's error in the port's words. */
export function toSqlError(error: unknown): unknown {
  if (!(error instanceof postgres.PostgresError)) return error;
  return new SqlError(error.code, error.message, { cause: error });
}
