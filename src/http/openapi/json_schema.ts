/**
 * The part of JSON Schema 2020-12 that the document is written in, and short words for it.
 *
 * @module
 */
import { limits } from "../../domain/command.ts";

/** Part of the document: JSON. */
export type Part = Readonly<Record<string, unknown>>;

/** A schema, in the part of the language that the document uses. */
export interface Schema {
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

/** Members of an object, all of them required but those of `optional`; there are no others. */
export function object(
  required: Readonly<Record<string, Schema>>,
  optional: Readonly<Record<string, Schema>> = {},
): Schema {
  return {
    type: "object",
    properties: { ...required, ...optional },
    required: Object.keys(required),
    additionalProperties: false,
  };
}

/** A reference to a schema among the components. */
export function ref(name: string): Schema {
  return { $ref: `#/components/schemas/${name}` };
}

/** A list of `min` to `max` elements. */
export function list(items: Schema, min: number, max: number): Schema {
  return { type: "array", items, minItems: min, maxItems: max };
}

/** An integer within bounds. */
export function integer(minimum: number, maximum: number, description: string): Schema {
  return { type: "integer", minimum, maximum, description };
}

/** The same, or null. */
export function orNull(schema: Schema): Schema {
  return { ...schema, type: [String(schema.type), "null"] };
}

/** `members.ts` refuses what this does not match: dots alone, a space at an end, invisible characters, odd white space. */
export const idPattern =
  "^(?!\\.{1,2}$)(?! )[^\\p{Cc}\\p{Cf}\\p{Zl}\\p{Zp}\\u00a0\\u1680\\u2000-\\u200a\\u202f\\u205f\\u3000\\ufffd]*(?<! )$";

/** An id that the client chooses. No control characters; the bound counts bytes of UTF-8, stricter than characters. */
export function id(description: string, example: string): Schema {
  return {
    type: "string",
    minLength: 1,
    maxLength: limits.idBytesMax,
    pattern: idPattern,
    description: `${description}. At most ${limits.idBytesMax} bytes of UTF-8, compared byte by byte.`,
    examples: [example],
  };
}

/** A text for people. */
export function note(description: string): Schema {
  return {
    type: "string",
    maxLength: limits.noteCharsMax,
    pattern: "^[^\\u0000-\\u001f\\u007f-\\u009f\\ufffd]*$",
    default: "",
    description,
  };
}

/** A moment. */
export function moment(description: string): Schema {
  return { type: "string", format: "date-time", description };
}

/** Units of a SKU: never negative. */
export function units(description: string): Schema {
  return integer(0, limits.quantityMax, description);
}

/** A number in a shard's log. */
export const seq: Schema = integer(
  0,
  Number.MAX_SAFE_INTEGER,
  "Number of the event in its shard's log: the movement in the ledger has the same one.",
);
