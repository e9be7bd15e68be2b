/**
 * Checked decoding of script replies: a reply is never cast.
 *
 * @module
 */

/**
 * The value as a string; a number is refused, not converted.
 *
 * @throws {TypeError} for other values
 */
export function text(value: unknown): string {
  if (typeof value === "string") return value;
  throw new TypeError(`Cannot read a script's reply as a text is missing: found ${typeof value}`);
}

/**
 * The value as an integer that JavaScript represents exactly; a string of digits is refused.
 *
 * @throws {TypeError} for other values
 */
export function integer(value: unknown): number {
  if (Number.isSafeInteger(value)) return value as number;
  throw new TypeError(`Cannot read a script's reply as an integer is missing: found ${String(value)}`);
}

/**
 * The value as an array, with unchecked elements.
 *
 * @throws {TypeError} for other values
 */
export function list(value: unknown): unknown[] {
  if (Array.isArray(value)) return value;
  throw new TypeError(`Cannot read a script's reply as a list is missing: found ${typeof value}`);
}
