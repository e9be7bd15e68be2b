/**
 * Maps SQLite's result codes to SQLSTATEs, so that one table determines the reaction for all databases; and to advice
 * for operators where the data is not at fault.
 *
 * @module
 */

/** By extended result code. */
const byExtended: Readonly<Record<number, string>> = {
  275: "23514", // CHECK
  1299: "22004", // NOT NULL: a value that could not be converted is null
  1555: "23505", // PRIMARY KEY
  2067: "23505", // UNIQUE
  1811: "42501", // a trigger: movements only grow
  3091: "22P02", // a value of another type than its column's
  4874: "53100", // no room for the shared memory file
};

/** By primary result code, which is the lower byte. */
const byPrimary: Readonly<Record<number, string>> = {
  1: "42601", // an error in a statement
  5: "55P03", // another connection has the file
  6: "55P03",
  7: "53200", // out of memory
  8: "25006", // read-only
  10: "58030", // input or output failed
  11: "XX001", // damaged
  13: "53100", // disk full
  14: "58P01", // cannot open
  18: "54000", // a text is too long
  20: "22P02", // a value of another type than its column's
  19: "23000", // a constraint
  26: "XX001", // no database
};

/** Codes that `node:sqlite` loses when it opens a file; the texts are SQLite's. */
const byText: readonly (readonly [text: string, sqlstate: string])[] = [
  ["unable to open database file", "58P01"],
  ["file is not a database", "XX001"],
  ["attempt to write a readonly database", "25006"],
  ["disk image is malformed", "XX001"],
  ["database or disk is full", "53100"],
  ["database is locked", "55P03"],
  ["disk I/O error", "58030"],
];

/** The SQLSTATE of an error of `node:sqlite`; undefined for an error of another kind. */
export function sqlstateOf(error: Error & { code?: unknown; errcode?: unknown }): string | undefined {
  if (error.code !== "ERR_SQLITE_ERROR") return undefined;
  const text = byText.find(([text]) => error.message.includes(text))?.[1];
  if (typeof error.errcode !== "number") return text ?? "58000";
  return byExtended[error.errcode] ?? byPrimary[error.errcode & 0xff] ?? text ?? "58000";
}

/** By SQLSTATE. */
const mends: Readonly<Record<string, string>> = {
  "25006": "give this user the right to write to the file and its folder, or set DATA_DIR to another folder",
  "53100":
    "free space on the disk of DATA_DIR and start again; every order that was answered is in the ledger",
  "53200": "give the process more memory and start again; every order that was answered is in the ledger",
  "55P03": "another program writes to the file: end it and start again ('fuser ledger.db' names it)",
  "58030":
    "the disk of DATA_DIR fails, the kernel's log says how: put a backup on another disk and set DATA_DIR to it",
  "58P01":
    "give this user the right to read and write the file and its folder, or set DATA_DIR to another folder",
  "XX001":
    "start on a backup: a folder that holds nothing but the copy, named ledger.db ('inventory backup' makes one)",
};

/** Advice for an operator; undefined when the error is about the data or a statement. */
export function mendOf(sqlstate: string): string | undefined {
  return mends[sqlstate];
}
