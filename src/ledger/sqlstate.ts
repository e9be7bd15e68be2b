/**
 * What to do when PostgreSQL refuses a batch: one table, by the class of the SQLSTATE.
 *
 * @module
 */
import { SqlError } from "./database.ts";

/** `split`: it will refuse again, find the command that it means. `retry`: the batch may pass later. */
export type Remedy = "split" | "retry";

/** Classes that speak of the data. All others speak of the server, the connection or our own SQL. */
const remedies: Readonly<Record<string, Remedy>> = {
  "22": "split", // data exception: a character, number or time that no column takes
  "23": "split", // integrity constraint violation
};

/** Whether an error is about the data sent, and about which only a smaller batch can tell more. */
export function remedyFor(error: unknown): Remedy {
  if (!(error instanceof SqlError)) return "retry";
  return remedies[error.sqlstate.slice(0, 2)] ?? "retry";
}

/**
 * Whether the server is up and refuses to write until somebody changes it: read-only (a standby,
 * `default_transaction_read_only`), disk full or out of memory or connections, a right or a table that is missing.
 */
export function ledgerRefusesWrites(error: unknown): error is SqlError {
  return error instanceof SqlError && (error.sqlstate === "25006" || /^(53|42|3F)/.test(error.sqlstate));
}

/** Whether our own SQL does not fit what is there: no right to the schema, a table of somebody else's in it. */
export function isForeignSchema(error: unknown): error is SqlError {
  return error instanceof SqlError && /^(42|3F)/.test(error.sqlstate);
}
