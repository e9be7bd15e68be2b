/**
 * How to react when PostgreSQL refuses a batch: one table, by the class of the SQLSTATE.
 *
 * @module
 */
import { SqlError } from "./database.ts";

/** `split`: it will be refused again; find the command at fault. `retry`: the batch may pass later. */
export type Remedy = "split" | "retry";

/** Classes about the data. All others are about the server, the connection or the ledger's SQL. */
const remedies: Readonly<Record<string, Remedy>> = {
  "22": "split", // data exception: a character, number or time that does not fit the column
  "23": "split", // integrity constraint violation
};

/** Whether an error is about the data, so that smaller batches find the cause. */
export function remedyFor(error: unknown): Remedy {
  if (!(error instanceof SqlError)) return "retry";
  return remedies[error.sqlstate.slice(0, 2)] ?? "retry";
}

/**
 * Whether the server is up and refuses writes until an operator changes it: read-only (a standby,
 * `default_transaction_read_only`), disk full, out of memory or connections, a missing right or table.
 */
export function ledgerRefusesWrites(error: unknown): error is SqlError {
  return error instanceof SqlError && (error.sqlstate === "25006" || /^(53|42|3F)/.test(error.sqlstate));
}

/** Whether the schema does not fit the ledger's SQL: no right to it, or a table of another program in it. */
export function isForeignSchema(error: unknown): error is SqlError {
  return error instanceof SqlError && /^(42|3F)/.test(error.sqlstate);
}
