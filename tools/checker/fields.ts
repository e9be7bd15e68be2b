/**
 * Members of a JSON object, each with its rule.
 *
 * @module
 */

/** A line that breaks the format. The message names the member and the rule. */
export class BadRecord extends Error {
  /** The class, for messages. */
  override name = "BadRecord";
}

/** Most items of a list: an order of the product has at most 50 lines. */
const ITEMS_MAX = 1_000;
/** The longest text that is repeated in an error. */
const SHOWN_MAX = 60;

/** A JSON object. */
export type Members = Readonly<Record<string, unknown>>;

/** A line as a JSON object. @throws {BadRecord} */
export function parseJson(line: string): Members {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw new BadRecord(`a line must be JSON: it is ${shown(line)}`, { cause });
  }
  if (isObject(value)) return value;
  throw new BadRecord(`a line must be a JSON object: it is ${shown(value)}`);
}

/** Member `name` of `members`; `within` is the name of the object, for errors. @throws {BadRecord} */
export function member<T>(
  members: Members,
  name: string,
  rule: string,
  holds: (value: unknown) => value is T,
  within?: string,
): T {
  const value = members[name];
  if (holds(value)) return value;
  const path = within === undefined ? name : `${within}.${name}`;
  throw new BadRecord(`${path} must be ${rule}: it is ${value === undefined ? "missing" : shown(value)}`);
}

/** A string with at least one character. */
export function text(members: Members, name: string, within?: string): string {
  return member(members, name, "a string that is not empty", isText, within);
}

/** A string; empty when the member is missing. */
export function optionalText(members: Members, name: string): string {
  return member(members, name, "a string", isTextOrMissing) ?? "";
}

/** `true` or `false`. */
export function boolean(members: Members, name: string, within?: string): boolean {
  return member(members, name, "true or false", (value) => typeof value === "boolean", within);
}

/** An integer that a double holds exactly. */
export function integer(members: Members, name: string, within?: string): number {
  return member(members, name, "an integer", isInteger, within);
}

/** An integer from 0. */
export function count(members: Members, name: string, within?: string): number {
  return member(
    members,
    name,
    "an integer >= 0",
    (value): value is number => isInteger(value) && value >= 0,
    within,
  );
}

/** A time or a length of time, ms; may have a fraction. */
export function milliseconds(members: Members, name: string): number {
  return member(
    members,
    name,
    "a number >= 0",
    (value): value is number => typeof value === "number" && value >= 0,
  );
}

/** An object. */
export function object(members: Members, name: string): Members {
  return member(members, name, "an object", isObject);
}

/** An array of at most 1,000 items. */
export function list(members: Members, name: string, within?: string): unknown[] {
  return member(members, name, `an array of at most ${ITEMS_MAX} items`, isList, within);
}

/** Whether a value is an object, and no array. */
export function isObject(value: unknown): value is Members {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A value in an error, cut short. */
export function shown(value: unknown): string {
  const whole = JSON.stringify(value) ?? String(value);
  return whole.length > SHOWN_MAX ? `${whole.slice(0, SHOWN_MAX)}…` : whole;
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

function isTextOrMissing(value: unknown): value is string | undefined {
  return value === undefined || typeof value === "string";
}

function isInteger(value: unknown): value is number {
  return Number.isSafeInteger(value);
}

function isList(value: unknown): value is unknown[] {
  return Array.isArray(value) && value.length <= ITEMS_MAX;
}
