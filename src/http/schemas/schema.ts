/**
 * The schemas of bodies. A schema is JSON Schema 2020-12 as OpenAPI prints it, the TypeScript type of the values that
 * fit it ({@link Static}), and the check of a value, all made by one call: they cannot differ.
 *
 * @module
 */
import { limits } from "../../domain/command.ts";
import { instantRule, parseInstant } from "./instant.ts";
import { brokenIdRule, brokenNoteRule } from "./text_rules.ts";

/** An object of JSON. What is not there reads as undefined, and only that. */
export type Part = Readonly<Record<string, unknown>>;

/** One thing that is wrong with a request. */
export interface FieldError {
  /** JSON pointer (RFC 6901) to the member as the client spelled it. */
  readonly pointer: string;
  /** The rule that it breaks. */
  readonly detail: string;
}

/**
 * Checks the value at `pointer`. What is wrong inside it is added to `errors`.
 *
 * @returns the rule that the value as a whole breaks, or undefined
 */
export type Check = (value: unknown, pointer: string, errors: FieldError[]) => string | undefined;

/** Key of a schema's check: a symbol, which JSON leaves out. */
export const check: unique symbol = Symbol("check");
/** Key of nothing: it carries the type of the values that fit a schema. */
export declare const fits: unique symbol;

/** A schema, in the part of the language that the document uses. */
export interface Schema<T = unknown> {
  /** Checks a value; left out where clients send none. */
  readonly [check]?: Check;
  /** Never there. */
  readonly [fits]?: T;
  /** A place in `components`. */
  readonly $ref?: string;
  /** The types of a value. */
  readonly type?: string | readonly string[];
  /** What the value is for. */
  readonly description?: string;
  /** The only value. */
  readonly const?: unknown;
  /** The only values. */
  readonly enum?: readonly unknown[];
  /** A string's shortest length, characters. */
  readonly minLength?: number;
  /** A string's greatest length, characters. */
  readonly maxLength?: number;
  /** A regular expression that a string fits. */
  readonly pattern?: string;
  /** What a string is read as. */
  readonly format?: string;
  /** A number's lower bound, included. */
  readonly minimum?: number;
  /** A number's upper bound, included. */
  readonly maximum?: number;
  /** What stands for a member that is left out. */
  readonly default?: unknown;
  /** A list's elements. */
  readonly items?: Schema;
  /** How few elements a list has. */
  readonly minItems?: number;
  /** How many elements a list has. */
  readonly maxItems?: number;
  /** An object's members. */
  readonly properties?: Readonly<Record<string, Schema>>;
  /** Members that must be there. */
  readonly required?: readonly string[];
  /** Whether there may be members that are not named. */
  readonly additionalProperties?: boolean;
  /** Exactly one of these. */
  readonly oneOf?: readonly Schema[];
  /** The member that says which of them. */
  readonly discriminator?: Part;
  /** Values that fit. */
  readonly examples?: readonly unknown[];
}

/** The type of the values that fit a schema. */
export type Static<S> = S extends Schema<infer T> ? T : never;

/** Schemas by name. */
export type Schemas = Readonly<Record<string, Schema>>;

/** The values that fit members, all of them required. */
export type StaticMembers<M> = { readonly [Name in keyof M]: Static<M[Name]> };

/** A reference to a schema among the components. Without the schema, what is there is not checked. */
export function ref<T = unknown>(name: string, schema: Schema<T> = {}): Schema<T> {
  return { $ref: `#/components/schemas/${name}`, ...checkOf(schema[check]) };
}

/** A string that the server sends. */
export function text(description?: string): Schema<string> {
  return description === undefined ? { type: "string" } : { type: "string", description };
}

/** True or false. */
export function boolean(description?: string): Schema<boolean> {
  return {
    type: "boolean",
    ...(description === undefined ? {} : { description }),
    [check]: (value) => typeof value === "boolean" ? undefined : "must be a boolean",
  };
}

/** The only value that the server sends there. */
export function constant<const T>(value: T): Schema<T> {
  return { const: value };
}

/** One of these values. */
export function oneOf<const T>(values: readonly T[], description?: string): Schema<T> {
  return { enum: values, ...(description === undefined ? {} : { description }) };
}

/** An integer within bounds. */
export function integer(minimum: number, maximum: number, description: string): Schema<number> {
  const rule = `must be an integer from ${minimum} to ${maximum}`;
  return {
    type: "integer",
    minimum,
    maximum,
    description,
    [check]: (value) =>
      typeof value === "number" && Number.isInteger(value) && value >= minimum && value <= maximum
        ? undefined
        : rule,
  };
}

/** The same, or null. */
export function orNull<T>(schema: Schema<T>): Schema<T | null> {
  const { [check]: inner, ...json } = schema;
  return {
    ...json,
    type: [String(schema.type), "null"],
    ...checkOf(
      inner && ((value, pointer, errors) => {
        const broken = value === null ? undefined : inner(value, pointer, errors);
        return broken && `${broken}, or null`;
      }),
    ),
  };
}

/** A reference or an object, or null. */
export function nullOr<T>(schema: Schema<T>, description: string): Schema<T | null> {
  return { oneOf: [{ type: "null" }, schema], description };
}

/** {@link brokenIdRule} refuses what this does not match: dots alone, a space at an end, invisible characters, odd white space. */
export const idPattern =
  "^(?!\\.{1,2}$)(?! )[^\\p{Cc}\\p{Cf}\\p{Zl}\\p{Zp}\\u00a0\\u1680\\u2000-\\u200a\\u202f\\u205f\\u3000\\ufffd]*(?<! )$";

/** An id that the client chooses. No control characters; the bound counts bytes of UTF-8, stricter than characters. */
export function id(description: string, example: string): Schema<string> {
  return {
    type: "string",
    minLength: 1,
    maxLength: limits.idBytesMax,
    pattern: idPattern,
    description: `${description}. At most ${limits.idBytesMax} bytes of UTF-8, compared byte by byte.`,
    examples: [example],
    [check]: (value) => typeof value === "string" ? brokenIdRule(value) : "must be a string",
  };
}

/** A text for people. */
export function note(description: string): Schema<string> {
  return {
    type: "string",
    maxLength: limits.noteCharsMax,
    pattern: "^[^\\u0000-\\u001f\\u007f-\\u009f\\ufffd]*$",
    default: "",
    description,
    [check]: (value) => typeof value === "string" ? brokenNoteRule(value) : "must be a string",
  };
}

/** A date and time, RFC 3339. */
export function moment(description: string): Schema<string> {
  return {
    type: "string",
    format: "date-time",
    description,
    [check]: (value) =>
      typeof value === "string" && parseInstant(value) !== undefined ? undefined : instantRule,
  };
}

/** Units of a SKU: never negative. */
export function units(description: string): Schema<number> {
  return integer(0, limits.quantityMax, description);
}

/** A number in a shard's log. */
export const seq: Schema<number> = integer(
  0,
  Number.MAX_SAFE_INTEGER,
  "Number of the event in its shard's log: the movement in the ledger has the same one.",
);

/** A check as a member of a schema. */
function checkOf(found: Check | undefined): { readonly [check]?: Check } {
  return found === undefined ? {} : { [check]: found };
}
