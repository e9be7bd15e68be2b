/**
 * SQLite's result codes as SQLSTATEs, so that one table says what becomes of a refusal, whichever database gave it.
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
  19: "23000", // a constraint
  26: "XX001", // no database
};

/** Codes that `node:sqlite` loses when it opens a file; the text is SQLite's own. */
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
