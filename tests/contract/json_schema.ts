/**
 * Holds values against schemas: the part of JSON Schema 2020-12 that the document is written in, and a
 * complaint about every keyword beyond it.
 */
import type { Schema } from "../../src/http/schemas/schema.ts";

/** Where references lead. */
export type Schemas = Readonly<Record<string, Schema>>;

type Rule = (schema: Schema, value: unknown, place: string, schemas: Schemas) => string[];

const annotations = new Set(["description", "default", "examples", "discriminator"]);

const rules: Readonly<Record<string, Rule>> = {
  $ref: (schema, value, place, schemas) => violations(resolve(schema, schemas), value, schemas, place),
  type: ({ type = [] }, value, place) =>
    check([type].flat().some((one) => isOf(one, value)), place, `is not ${[type].flat().join(" or ")}`),
  const: (schema, value, place) => check(value === schema.const, place, `is not ${schema.const}`),
  enum: (schema, value, place) =>
    check(schema.enum?.includes(value) ?? true, place, "is not one of the enum"),
  minLength: ({ minLength = 0 }, value, place) =>
    check(typeof value !== "string" || [...value].length >= minLength, place, `is shorter than ${minLength}`),
  maxLength: ({ maxLength = 0 }, value, place) =>
    check(typeof value !== "string" || [...value].length <= maxLength, place, `is longer than ${maxLength}`),
  pattern: ({ pattern = "" }, value, place) =>
    check(
      typeof value !== "string" || new RegExp(pattern, "u").test(value),
      place,
      `does not fit ${pattern}`,
    ),
  format: ({ format }, value, place) =>
    check(typeof value !== "string" || format !== "date-time" || isMoment(value), place, `is no ${format}`),
  minimum: ({ minimum = 0 }, value, place) =>
    check(typeof value !== "number" || value >= minimum, place, `is below ${minimum}`),
  maximum: ({ maximum = 0 }, value, place) =>
    check(typeof value !== "number" || value <= maximum, place, `is above ${maximum}`),
  items: ({ items = {} }, value, place, schemas) =>
    Array.isArray(value) ? value.flatMap((item, i) => violations(items, item, schemas, `${place}/${i}`)) : [],
  minItems: ({ minItems = 0 }, value, place) =>
    check(!Array.isArray(value) || value.length >= minItems, place, `has fewer than ${minItems}`),
  maxItems: ({ maxItems = 0 }, value, place) =>
    check(!Array.isArray(value) || value.length <= maxItems, place, `has more than ${maxItems}`),
  properties: ({ properties = {} }, value, place, schemas) =>
    Object.entries(membersOf(value)).flatMap(([name, member]) =>
      Object.hasOwn(properties, name)
        ? violations(properties[name] ?? {}, member, schemas, `${place}/${name}`)
        : []
    ),
  required: ({ required = [] }, value, place) =>
    isObject(value)
      ? required.flatMap((name) => check(Object.hasOwn(value, name), `${place}/${name}`, "is missing"))
      : [],
  additionalProperties: ({ properties = {} }, value, place) =>
    Object.keys(membersOf(value)).flatMap((name) =>
      check(Object.hasOwn(properties, name), `${place}/${name}`, "is not known")
    ),
  oneOf: ({ oneOf = [] }, value, place, schemas) => {
    const found = oneOf.map((one) => violations(one, value, schemas, place));
    const fitting = found.filter((errors) => errors.length === 0).length;
    if (fitting === 1) return [];
    if (fitting > 1) return [`${place} fits ${fitting} schemas of oneOf`];
    // The one that comes closest says most.
    return found.toSorted((a, b) => a.length - b.length)[0] ?? [`${place} fits no schema`];
  },
};

/** Everything in which a value breaks a schema. */
export function violations(schema: Schema, value: unknown, schemas: Schemas, place = ""): string[] {
  return Object.keys(schema).flatMap((keyword) => {
    if (annotations.has(keyword)) return [];
    const rule = rules[keyword];
    if (rule === undefined) throw new TypeError(`Cannot judge by the keyword ${keyword} at ${place}`);
    return rule(schema, value, place, schemas);
  });
}

/** The schema that a reference leads to; any other schema is itself. */
export function resolve(schema: Schema, schemas: Schemas): Schema {
  if (schema.$ref === undefined) return schema;
  const found = schemas[schema.$ref.replace("#/components/schemas/", "")];
  if (found === undefined) throw new TypeError(`Cannot follow ${schema.$ref}`);
  return found;
}

function check(holds: boolean, place: string, rule: string): string[] {
  return holds ? [] : [`${place === "" ? "the value" : place} ${rule}`];
}

/** Whether a value is of a type. */
export function isOf(type: string, value: unknown): boolean {
  switch (type) {
    case "null":
      return value === null;
    case "array":
      return Array.isArray(value);
    case "object":
      return isObject(value);
    case "number":
      return typeof value === "number";
    case "integer":
      return Number.isInteger(value);
    case "string":
      return typeof value === "string";
    case "boolean":
      return typeof value === "boolean";
    default:
      throw new TypeError(`Cannot judge by the type ${type}`);
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function membersOf(value: unknown): Readonly<Record<string, unknown>> {
  return isObject(value) ? value : {};
}

function isMoment(text: string): boolean {
  return /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(text) &&
    !Number.isNaN(Date.parse(text));
}
