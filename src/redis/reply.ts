/**
 * Checked reading of what a script replied: a reply is decoded, never cast.
 *
 * @module
 */

/**
 * The value as a string; a number is refused, not converted.
 *
 * @throws {TypeError} when it is anything else
 */
export function text(value: unknown): string {
  if (typeof value === "string") return value;
  throw new TypeError(`Cannot read a script's reply as a text is missing: found ${typeof value}`);
}

/**
 * The value as an integer that JavaScript holds exactly; a string of digits is refused.
 *
 * @throws {TypeError} when it is anything else
 */
export function integer(value: unknown): number {
  if (Number.isSafeInteger(value)) return value as number;
  throw new TypeError(`Cannot read a script's reply as an integer is missing: found ${String(value)}`);
}

/**
 * The value as an array; its elements are still unchecked.
 *
 * @throws {TypeError} when it is anything else
 */
export function list(value: unknown): unknown[] {
  if (Array.isArray(value)) return value;
  throw new TypeError(`Cannot read a script's reply as a list is missing: found ${typeof value}`);
}
