/**
 * Checked reading of what a script replied: a reply is decoded, never cast.
 *
 * @module
 */

/** @throws {TypeError} */
export function text(value: unknown): string {
  if (typeof value === "string") return value;
  throw new TypeError(`Cannot read a script's reply as a text is missing: found ${typeof value}`);
}

/** @throws {TypeError} */
export function integer(value: unknown): number {
  if (Number.isSafeInteger(value)) return value as number;
  throw new TypeError(`Cannot read a script's reply as an integer is missing: found ${String(value)}`);
}

/** @throws {TypeError} */
export function list(value: unknown): unknown[] {
  if (Array.isArray(value)) return value;
  throw new TypeError(`Cannot read a script's reply as a list is missing: found ${typeof value}`);
}
