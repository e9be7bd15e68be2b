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
