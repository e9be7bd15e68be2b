/**
 * Checks of the ledger's server by its settings.
 *
 * @module
 */
import { type CheckResult, judgeClock } from "../../domain/check_result.ts";
import type { World } from "../../runtime/world.ts";
import type { Queries } from "../database.ts";

/** The row of the statement `read_server`. */
interface ServerRow {
  readonly version: string;
  readonly number: number;
  readonly encoding: string;
  readonly fsync: string;
  readonly fullPageWrites: string;
  readonly synchronousCommit: string;
  readonly atMs: number;
}

/** `server_version_num` of PostgreSQL 14, the first with `idle_session_timeout`. */
const numberMin = 140_000;

/** Reads the settings of the server and checks them. */
export async function judgeLedger(
  queries: Pick<Queries, "query">,
  statement: string,
  world: World,
): Promise<CheckResult[]> {
  const askedMs = world.now();
  const [row] = await queries.query<ServerRow>(statement);
  const answeredMs = world.now();
  if (!row) throw new Error("Cannot read the settings of the ledger's server");
  const isOld = row.number < numberMin;
  const settings = {
    fsync: row.fsync,
    full_page_writes: row.fullPageWrites,
    synchronous_commit: row.synchronousCommit,
  };
  return [
    {
      check: "PostgreSQL",
      verdict: isOld ? "bad" : "ok",
      found: isOld ? `must be at least 14: it is ${row.version}` : row.version,
      promise: "ledger",
    },
    {
      check: "server_encoding",
      verdict: row.encoding === "UTF8" ? "ok" : "bad",
      found: row.encoding === "UTF8" ? "UTF8" : whyEncoding(row.encoding),
      promise: "booked",
    },
    ...Object.entries(settings).map(([check, value]): CheckResult => ({
      check,
      verdict: value === "off" ? "off" : "ok",
      found: value === "off" ? "is off" : value,
      promise: "ledger",
    })),
    judgeClock("PostgreSQL", row.atMs - (askedMs + answeredMs) / 2),
  ];
}

/** Other encodings lack characters that an order id, a user id or a SKU may have. */
function whyEncoding(encoding: string): string {
  return `must be UTF8: it is ${encoding}. Create the ledger's database with "encoding 'UTF8' template template0"`;
}

/**
 * Refuses a database that cannot store every text.
 *
 * @throws {RangeError} when its encoding is not UTF8
 */
export async function assertEncoding(queries: Pick<Queries, "query">, statement: string): Promise<void> {
  const [row] = await queries.query<ServerRow>(statement);
  if (row && row.encoding !== "UTF8") {
    throw new RangeError(`Cannot use this database as server_encoding ${whyEncoding(row.encoding)}`);
  }
}
