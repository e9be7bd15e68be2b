/**
 * Requests made from the document alone: such as it allows, and such as it forbids, one rule broken at a time.
 */
import fc from "fast-check";
import { idPattern, type Schema } from "../../src/http/schemas/schema.ts";
import { bodySchemas, type Operation, schemas } from "./documented.ts";
import { isOf, resolve } from "./json_schema.ts";

/** A request, and what the document says must become of it. */
export interface Generated {
  readonly operation: Operation;
  readonly path: string;
  readonly init: RequestInit;
  /** What was broken; null = nothing. */
  readonly broken: string | null;
  /** The status that this leads to; null = what the inventory decides. */
  readonly status: number | null;
}

type Json = Record<string, unknown>;

const encoder = new TextEncoder();

/** A value that a schema allows. */
function valueOf(schema: Schema): fc.Arbitrary<unknown> {
  const { $ref, enum: values, type, properties, required = [], items } = schema;
  if ($ref !== undefined) return valueOf(resolve(schema, schemas));
  if (values !== undefined) return fc.constantFrom(...values);
  if (Array.isArray(type)) {
    const one = valueOf({ ...schema, type: String(type[0]) });
    return fc.oneof({ weight: 3, arbitrary: one }, { weight: 1, arbitrary: fc.constant(null) });
  }
  if (type === "boolean") return fc.boolean();
  if (type === "integer") return integerOf(schema);
  if (type === "string") return textOf(schema);
  if (type === "array") {
    return fc.array(valueOf(items ?? {}), { minLength: schema.minItems ?? 0, maxLength: 4 });
  }
  if (properties === undefined) throw new TypeError(`Cannot make a value of ${JSON.stringify(schema)}`);
  const members = Object.entries(properties).map(([name, member]) => [name, valueOf(member)] as const);
  return fc.record(Object.fromEntries(members), { requiredKeys: [...required] });
}

function integerOf({ minimum = 0, maximum = 0 }: Schema): fc.Arbitrary<number> {
  const small = fc.integer({ min: Math.max(minimum, 0), max: Math.min(maximum, 5 + Math.max(minimum, 0)) });
  return fc.oneof(
    { weight: 8, arbitrary: small },
    { weight: 1, arbitrary: fc.constantFrom(minimum, maximum) },
    {
      weight: 1,
      arbitrary: fc.integer({ min: Math.max(minimum, -(2 ** 31)), max: Math.min(maximum, 2 ** 31) }),
    },
  );
}

/** Ids come from a small pool most of the time, so that requests meet one another. */
function textOf(
  { format, examples = [], minLength = 0, maxLength = 40, pattern }: Schema,
): fc.Arbitrary<string> {
  if (format === "date-time") {
    return fc.constantFrom(
      "2020-01-01T00:00:00Z",
      "2020-01-01T08:00:00.5+08:00",
      "2900-01-01T00:00:00-05:00",
    );
  }
  const fits = (text: string) =>
    encoder.encode(text).length <= maxLength && new RegExp(pattern ?? "", "u").test(text) &&
    !/^\.\.?$/.test(text);
  const any = fc.string({ unit: "grapheme", minLength, maxLength: 40 }).filter(fits);
  const example = examples[0];
  if (typeof example !== "string") return any;
  return fc.oneof(
    { weight: 6, arbitrary: fc.constant(example) },
    { weight: 3, arbitrary: fc.integer({ min: 1, max: 3 }).map((n) => `${example}-${n}`) },
    { weight: 1, arbitrary: any },
  );
}

const wrongTypes = [null, true, 7.5, "text", [], {}, -1e21];

/** A value that a member's schema forbids, and in what. */
function forbiddenBy(schema: Schema): readonly (readonly [broken: string, value: unknown])[] {
  const { minimum, maximum, minLength, maxLength, pattern, format, minItems, maxItems, items } = schema;
  const types = [schema.type ?? []].flat();
  const names = wrongTypes.filter((value) => !types.some((type) => isOf(type, value)));
  const wrong: [string, unknown][] = names.map((value) => [`type ${JSON.stringify(value)}`, value]);
  if (minimum !== undefined) wrong.push(["below the minimum", minimum - 1]);
  if (maximum !== undefined) wrong.push(["above the maximum", maximum + 1]);
  if (minLength === 1) wrong.push(["empty text", ""]);
  if (maxLength !== undefined) wrong.push(["long text", "x".repeat(maxLength + 1)]);
  if (pattern !== undefined) {
    wrong.push(["control character", "a\u0007b"], ["replacement character", "a\ufffd"]);
  }
  if (format === "date-time") {
    wrong.push(["no moment", "2026-02-30T00:00:00Z"], ["no offset", "2026-01-01T00:00:00"]);
  }
  if (minItems === 1) wrong.push(["empty list", []]);
  if (maxItems !== undefined && items !== undefined) {
    wrong.push(["long list", new Array(maxItems + 1).fill({})]);
  }
  return wrong;
}

/** Every way to break one rule of a body. */
function breaksOf(schema: Schema, body: Json): (readonly [broken: string, body: unknown])[] {
  const { properties = {}, required = [] } = schema;
  const breaks: [string, unknown][] = [["unknown member", { ...body, surprise: 1 }]];
  for (const name of required) {
    const { [name]: _, ...rest } = body;
    breaks.push([`${name} missing`, rest]);
  }
  for (const [name, member] of Object.entries(properties)) {
    for (const [broken, value] of forbiddenBy(member)) {
      breaks.push([`${name}: ${broken}`, { ...body, [name]: value }]);
    }
    const inner = name === "lines" && member.items !== undefined ? resolve(member.items, schemas) : undefined;
    if (inner === undefined) continue;
    for (const [broken, line] of breaksOf(inner, { sku: "SKU_123", amount: 1 })) {
      breaks.push([`${name}/0 ${broken}`, { ...body, [name]: [line] }]);
    }
  }
  for (const value of [null, 1, "text", [], true]) breaks.push([`body ${JSON.stringify(value)}`, value]);
  return breaks;
}

const wrongIds = ["%ff", "%00", "a%0ab", "x".repeat(129), "%ef%bf%bd", "%E2%82"];

function pathOf({ path }: Operation): fc.Arbitrary<string> {
  const name = /\{(\w+)\}/.exec(path)?.[1];
  if (name === undefined) return fc.constant(path);
  const examples = [name === "sku" ? "SKU_123" : "order-1001"];
  const id = textOf({ examples, minLength: 1, maxLength: 128, pattern: idPattern });
  return id.map((text) => path.replace(`{${name}}`, encodeURIComponent(text)));
}

const headers = fc.record({
  "order-attempt": fc.constant("1"),
  "purchase-token": fc.constantFrom("x", "a.b", "x".repeat(3000)),
  traceparent: fc.constantFrom(`00-${"a".repeat(32)}-${"b".repeat(16)}-01`, "no trace"),
}, { requiredKeys: [] });

function sent(method: string, body: unknown, more: Record<string, string>): RequestInit {
  return { method, headers: { "content-type": "application/json", ...more }, body: JSON.stringify(body) };
}

/** A request that the document allows. */
export function allowed(operation: Operation): fc.Arbitrary<Generated> {
  const { method } = operation;
  const bodies = bodySchemas(operation);
  const body = bodies.length === 0 ? fc.constant(undefined) : fc.oneof(...bodies.map(valueOf));
  return fc.record({ path: pathOf(operation), body, headers }).map(({ path, body, headers }) => ({
    operation,
    path,
    init: body === undefined ? { method, headers } : sent(method, body, headers),
    broken: null,
    status: null,
  }));
}

/** Every request that breaks one rule of the document. */
export function forbidden(operation: Operation, body: Json, token?: string): Generated[] {
  const { method, requestBody } = operation;
  const more: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const path = operation.path.replace("{sku}", "SKU_123").replace("{order_id}", "order-1001");
  const requests: Generated[] = [];
  const add = (broken: string, status: number, init: RequestInit, at = path) =>
    requests.push({ operation, path: at, init, broken, status });
  for (const wrong of ["DELETE", "PATCH", "OPTIONS", "BREW"]) {
    add(`method ${wrong}`, 405, { method: wrong, headers: more });
  }
  const [schema] = bodySchemas(operation);
  if (path !== operation.path) {
    for (const id of wrongIds) {
      const at = operation.path.replace(/\{\w+\}/, id);
      add(
        `id ${id.slice(0, 20)}`,
        400,
        schema === undefined ? { method, headers: more } : sent(method, body, more),
        at,
      );
    }
  }
  if (schema === undefined) return requests;
  for (const [broken, value] of breaksOf(schema, body)) add(broken, 400, sent(method, value, more));
  for (const text of ["{", "{'a':1}", "nonsense", ...(requestBody?.required ? ["", " "] : [" "])]) {
    add(`JSON ${text}`, 400, { ...sent(method, body, more), body: text });
  }
  for (const type of ["text/plain", "application/xml", "application/jsonp"]) {
    const wrongType = { ...more, "content-type": type };
    add(`media type ${type}`, 415, { method, headers: wrongType, body: JSON.stringify(body) });
  }
  const large = " ".repeat(1024 * 1024 + 1);
  add("large body", 413, { ...sent(method, body, more), body: large });
  return requests;
}
