/**
 * The schemas of bodies. One call makes the JSON Schema 2020-12 for OpenAPI, the TypeScript type of valid values
 * ({@link Static}) and the check of a value, so that these cannot differ.
 *
 * @module
 */
import { limits } from "../../domain/command.ts";
import { instantRule, parseInstant } from "./instant.ts";
import { brokenIdRule, brokenNoteRule } from "./text_rules.ts";

/** A JSON object; a missing member reads as undefined. */
export type Part = Readonly<Record<string, unknown>>;

/** One error in a request. */
export interface FieldError {
  /** JSON pointer (RFC 6901) to the member as the client spelled it. */
  readonly pointer: string;
  /** The violated rule. */
  readonly detail: string;
}

/**
 * Checks the value at `pointer` and adds errors inside it to `errors`.
 *
 * @returns the rule that the value as a whole violates, or undefined
 */
export type Check = (value: unknown, pointer: string, errors: FieldError[]) => string | undefined;

/** Key of a schema's check: a symbol, which JSON leaves out. */
export const check: unique symbol = Symbol("check");
/** Key without a value: it carries the type of the values that fit a schema. */
export declare const fits: unique symbol;

/** A schema, with the JSON Schema keywords that the document uses. */
export interface Schema<T = unknown> {
  /** Checks a value; undefined where clients send none. */
  readonly [check]?: Check;
  /** Never present. */
  readonly [fits]?: T;
  /** A reference into `components`. */
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  /** In characters. */
  readonly minLength?: number;
  /** In characters. */
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly format?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly default?: unknown;
  readonly items?: Schema;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean;
  readonly oneOf?: readonly Schema[];
  readonly discriminator?: Part;
  readonly examples?: readonly unknown[];
}

/** The type of the values that fit a schema. */
export type Static<S> = S extends Schema<infer T> ? T : never;

export type Schemas = Readonly<Record<string, Schema>>;

/** The values that fit members, all of them required. */
export type StaticMembers<M> = { readonly [Name in keyof M]: Static<M[Name]> };

/** A reference to a component. Without `schema`, values are not checked. */
export function ref<T = unknown>(name: string, schema: Schema<T> = {}): Schema<T> {
  return { $ref: `#/components/schemas/${name}`, ...checkOf(schema[check]) };
}

/** A string in responses. */
export function text(description?: string): Schema<string> {
  return description === undefined ? { type: "string" } : { type: "string", description };
}

export function boolean(description?: string): Schema<boolean> {
  return {
    type: "boolean",
    ...(description === undefined ? {} : { description }),
    [check]: (value) => typeof value === "boolean" ? undefined : "must be a boolean",
  };
}

/** A constant in responses. */
export function constant<const T>(value: T): Schema<T> {
  return { const: value };
}

/** An enumeration in responses. */
export function oneOf<const T>(values: readonly T[], description?: string): Schema<T> {
  return { enum: values, ...(description === undefined ? {} : { description }) };
}

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

/** A schema that also accepts null. */
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

/**
 * {@link brokenIdRule} refuses ids that do not match: only dots, a space at an end, invisible characters, other white
 * space.
 */
export const idPattern =
  "^(?!\\.{1,2}$)(?! )[^\\p{Cc}\\p{Cf}\\p{Zl}\\p{Zp}\\u00a0\\u1680\\u2000-\\u200a\\u202f\\u205f\\u3000\\ufffd]*(?<! )$";

/**
 * An id that the client chooses. No control characters; the limit counts bytes of UTF-8, stricter than characters.
 */
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

/** A text for people, such as a reason. */
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

export function moment(description: string): Schema<string> {
  return {
    type: "string",
    format: "date-time",
    description,
    [check]: (value) =>
      typeof value === "string" && parseInstant(value) !== undefined ? undefined : instantRule,
  };
}

/** Units of a SKU, not negative. */
export function units(description: string): Schema<number> {
  return integer(0, limits.quantityMax, description);
}

export const seq: Schema<number> = integer(
  0,
  Number.MAX_SAFE_INTEGER,
  "Number of the event in the log of its shard; the movement in the ledger has the same number.",
);

/** A check as a member of a schema. */
function checkOf(found: Check | undefined): { readonly [check]?: Check } {
  return found === undefined ? {} : { [check]: found };
}
