/**
 * The members of a JSON object, checked one by one; what is wrong is collected, not thrown.
 *
 * @module
 */
import { limits } from "../../domain/command.ts";
import { instantRule, parseInstant } from "./instant.ts";
import { type FieldError, invalidRequest } from "../write/problem.ts";
import { type Checked, refused, valid } from "../write/response.ts";

/** The spellings that clients use of each member, the documented one first. */
export type Spellings<Name extends string> = Readonly<Record<Name, readonly [string, ...string[]]>>;

/** Things wrong with a request after which its lists are not read on: the answer must stay small. */
const errorsMax = 100;
/** Unknown members that one answer names: a body can hold 100,000 of them, the answer must not. */
const unknownNamedMax = 20;
/** Characters of a name that an answer repeats; a name can be as long as the body. */
const nameCharsMax = 64;

const controlCharacter = /\p{Cc}/u;
/** What almost every id looks like: one test instead of six. It begins with a letter, a digit or `_`, so it is no dot. */
const usualId = /^\w(?:[\x20-\x7e]*[\x21-\x7e])?$/;
/** Format characters (zero width, bidi controls, U+FEFF) and all white space but the plain space. */
const invisible = /[\p{Cf}\p{Zl}\p{Zp}]|(?! )\p{Zs}/u;
const encoder = new TextEncoder();
const none: readonly FieldError[] = [];

/** Reads members by name; an unusable one reads as `""` or `0` and makes {@link Members.check} refuse. */
export class Members<Name extends string> {
  readonly #body: Readonly<Record<string, unknown>>;
  readonly #spellings: Spellings<Name>;
  readonly #place: string;
  #found = 0;
  #errors: FieldError[] | undefined;

  /**
   * Nothing is read yet.
   *
   * @param body an object as `JSON.parse` makes it: what is not there reads as undefined, and only that
   * @param place JSON pointer to the object within the request's body
   */
  constructor(body: Readonly<Record<string, unknown>>, spellings: Spellings<Name>, place = "") {
    this.#body = body;
    this.#spellings = spellings;
    this.#place = place;
  }

  /** A required id: of a SKU, a user, an order, an adjustment. */
  id(name: Name): string {
    const spelling = this.#requiredSpelling(name);
    if (spelling === undefined) return "";
    const value = this.#body[spelling];
    const rule = typeof value === "string" ? brokenIdRule(value) : "must be a string";
    if (rule === undefined) return value as string;
    this.wrong(spelling, rule);
    return "";
  }

  /** A required integer, both bounds included. */
  integer(name: Name, min: number, max: number): number {
    const spelling = this.#requiredSpelling(name);
    if (spelling === undefined) return 0;
    const value = this.#body[spelling];
    if (typeof value === "number" && Number.isInteger(value) && value >= min && value <= max) {
      return value + 0; // -0 becomes 0
    }
    this.wrong(spelling, `must be an integer from ${min} to ${max}`);
    return 0;
  }

  /** An optional short text for people; empty when it is not there. */
  note(name: Name): string {
    const spelling = this.#spelling(name);
    if (spelling === undefined) return "";
    const value = this.#body[spelling];
    const rule = typeof value === "string" ? brokenNoteRule(value) : "must be a string";
    if (rule === undefined) return value as string;
    this.wrong(spelling, rule);
    return "";
  }

  /** An integer that may be left out. */
  optionalInteger(name: Name, min: number, max: number, fallback: number): number {
    return this.has(name) ? this.integer(name, min, max) : fallback;
  }

  /** A required integer, or null. */
  integerOrNull(name: Name, min: number, max: number): number | null {
    const rule = `must be an integer from ${min} to ${max}, or null`;
    return this.#read(name, integerOrNullIn(min, max), rule) ?? null;
  }

  /** A required boolean. */
  boolean(name: Name): boolean {
    const judge = (value: unknown) => typeof value === "boolean" ? value : undefined;
    return this.#read(name, judge, "must be a boolean") ?? false;
  }

  /** A required date and time (RFC 3339) as milliseconds since 1970, or null. */
  instantOrNull(name: Name): number | null {
    return this.#read(name, instantOrNull, `${instantRule}, or null`) ?? null;
  }

  /** A required list of 1 to `max` values. */
  list(name: Name, max: number): readonly unknown[] {
    return this.#read(name, (value) => listOf(value, max), `must be a list of 1 to ${max}`) ?? [];
  }

  /** A required list of 1 to `max` objects; what is wrong in one is noted with its place in the list. */
  objects<Inner extends string, T>(
    name: Name,
    max: number,
    spellings: Spellings<Inner>,
    read: (item: Members<Inner>) => T,
  ): T[] {
    const found: T[] = [];
    for (const [i, item] of this.list(name, max).entries()) {
      const errors = this.#errors ??= [];
      if (errors.length >= errorsMax) {
        this.wrong(this.#spellings[name][0], `was not read from the element ${i} on`);
        break;
      }
      const place = `${this.#place}${pointerTo(this.#spellings[name][0])}/${i}`;
      if (!isObject(item)) {
        errors.push({ pointer: place, detail: "must be an object" });
        continue;
      }
      const members = new Members(item, spellings, place);
      found.push(read(members));
      errors.push(...members.errors());
    }
    return found;
  }

  /** Whether a member is there. */
  has(name: Name): boolean {
    return this.#spellings[name].some((spelling) => this.#body[spelling] !== undefined);
  }

  /** Notes what is wrong with a member. */
  wrong(spelling: string, detail: string): void {
    this.#errors ??= [];
    this.#errors.push({ pointer: this.#place + pointerTo(spelling), detail });
  }

  /** All that is wrong with the members that were read, and with those that nobody read. */
  errors(): readonly FieldError[] {
    let members = 0;
    for (const _ in this.#body) members++;
    if (members !== this.#found) this.#nameUnknown();
    return this.#errors ?? none;
  }

  /** `parsed`, unless a member was wrong or the object has members that nobody read. */
  check<T>(parsed: T): Checked<T> {
    const errors = this.errors();
    return errors.length === 0 ? valid(parsed) : refused(invalidRequest(errors));
  }

  /** A required member as `judge` reads it; undefined breaks the rule. */
  #read<T>(name: Name, judge: (value: unknown) => T | undefined, rule: string): T | undefined {
    const spelling = this.#requiredSpelling(name);
    if (spelling === undefined) return undefined;
    const value = judge(this.#body[spelling]);
    if (value === undefined) this.wrong(spelling, rule);
    return value;
  }

  #requiredSpelling(name: Name): string | undefined {
    const spelling = this.#spelling(name);
    if (spelling === undefined) this.wrong(this.#spellings[name][0], "is missing");
    return spelling;
  }

  #spelling(name: Name): string | undefined {
    let used: string | undefined;
    for (const spelling of this.#spellings[name]) {
      if (this.#body[spelling] === undefined) continue;
      this.#found++;
      if (used === undefined) used = spelling;
      else this.wrong(spelling, `is ${used} in another spelling: send one of them`);
    }
    return used;
  }

  #nameUnknown(): void {
    const known = new Set<string>(Object.values<readonly string[]>(this.#spellings).flat());
    const unknown = Object.keys(this.#body).filter((name) => !known.has(name));
    for (const name of unknown.slice(0, unknownNamedMax)) {
      if (name.length <= nameCharsMax) this.wrong(name, "is not a member of this request");
      else this.#wrongAsAWhole(`a member with a name of ${name.length} characters is not known`);
    }
    const unnamed = unknown.length - unknownNamedMax;
    if (unnamed > 0) this.#wrongAsAWhole(`${unnamed} more members are not known`);
  }

  #wrongAsAWhole(detail: string): void {
    this.#errors ??= [];
    this.#errors.push({ pointer: this.#place, detail });
  }
}

/** Whether a value of JSON is an object. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Why a text cannot be an id, or undefined when it can. */
export function brokenIdRule(text: string): string | undefined {
  const max = limits.idBytesMax;
  if (text.length <= max && usualId.test(text)) return undefined;
  if (text === "") return "must not be empty";
  if (text === "." || text === "..") return "must not be . or .., which no URL can carry";
  if (text.startsWith(" ") || text.endsWith(" ")) return "must not begin or end with a space";
  // A UTF-16 unit takes at least a byte: a long text is refused before it is encoded.
  if (text.length > max || encoder.encode(text).length > max) return `must be at most ${max} bytes of UTF-8`;
  if (invisible.test(text)) return "must not contain invisible characters or white space but the plain space";
  return brokenTextRule(text);
}

function integerOrNullIn(min: number, max: number): (value: unknown) => number | null | undefined {
  return (value) => {
    if (value === null) return null;
    const isInRange = typeof value === "number" && Number.isInteger(value) && value >= min && value <= max;
    return isInRange ? value + 0 : undefined; // -0 becomes 0
  };
}

function instantOrNull(value: unknown): number | null | undefined {
  return typeof value === "string" ? parseInstant(value) : value === null ? null : undefined;
}

function listOf(value: unknown, max: number): readonly unknown[] | undefined {
  return Array.isArray(value) && value.length >= 1 && value.length <= max ? value : undefined;
}

function brokenNoteRule(text: string): string | undefined {
  const max = limits.noteCharsMax;
  // A character takes up to two UTF-16 units: most texts need no counting.
  if (text.length > 2 * max || (text.length > max && Array.from(text).length > max)) {
    return `must be at most ${max} characters`;
  }
  return brokenTextRule(text);
}

function brokenTextRule(text: string): string | undefined {
  if (controlCharacter.test(text)) return "must not contain control characters";
  if (!text.isWellFormed()) return "must be well-formed Unicode: it has half of a surrogate pair";
  if (text.includes("\ufffd")) return "must not contain U+FFFD, which stands for bytes that were not UTF-8";
  return undefined;
}

/** JSON pointer (RFC 6901) to a member of the body. */
function pointerTo(name: string): string {
  return `/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`;
}
