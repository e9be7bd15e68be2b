/**
 * The document as the tests read it: its operations, and whether an answer is one that it describes.
 */
import assert from "node:assert/strict";
import { openApiDocument } from "../../src/http/openapi/document.ts";
import type { Schema } from "../../src/http/schemas/schema.ts";
import { resolve, type Schemas, violations } from "./json_schema.ts";

interface Media {
  readonly schema: Schema;
  readonly example?: unknown;
  readonly examples?: Readonly<Record<string, { readonly value: unknown }>>;
}

interface Reply {
  readonly headers?: Readonly<Record<string, unknown>>;
  readonly content: Readonly<Record<string, Media>>;
}

interface Described {
  readonly operationId: string;
  readonly requestBody?: { readonly required: boolean; readonly content: Readonly<Record<string, Media>> };
  readonly responses: Readonly<Record<string, Reply>>;
}

/** An operation and where it is. */
export interface Operation extends Described {
  readonly method: string;
  readonly path: string;
}

const document = openApiDocument() as unknown as {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Described>>>>;
  readonly components: { readonly schemas: Schemas };
};

/** Every schema among the components. */
export const schemas: Schemas = document.components.schemas;

/** Every operation. */
export const operations: readonly Operation[] = Object.entries(document.paths).flatMap(([path, item]) =>
  Object.entries(item).map(([method, described]) => ({ ...described, method: method.toUpperCase(), path }))
);

/** The schemas of an operation's body, any of which fits; none when there is no body. */
export function bodySchemas({ requestBody }: Operation): readonly Schema[] {
  const schema = requestBody?.content["application/json"]?.schema;
  if (schema === undefined) return [];
  return (schema.oneOf ?? [schema]).map((one) => resolve(one, schemas));
}

/** Every code that an operation lists, with its status. */
export function codesOf({ responses }: Operation): string[] {
  return Object.values(responses).flatMap(({ content }) =>
    Object.keys(content["application/problem+json"]?.examples ?? {})
  );
}

/** Headers that mean something; the document lists each where it can be. */
const meaningful = [
  "idempotency-replayed",
  "retry-after",
  "ratelimit",
  "ratelimit-policy",
  "www-authenticate",
  "allow",
  "cache-control",
];

/** An answer that the document describes; fails on any other. */
export interface Answer {
  readonly status: number;
  /** `accepted` where the answer has none. */
  readonly code: string;
  readonly body: Readonly<Record<string, unknown>>;
  readonly headers: Headers;
}

/** The body; of a stream that does not end, its first event. */
async function textOf(response: Response): Promise<string> {
  if (response.headers.get("content-type") !== "text/event-stream") return await response.text();
  const reader = response.body?.getReader();
  const { value } = await reader?.read() ?? {};
  await reader?.cancel();
  return new TextDecoder().decode(value);
}

/** Holds an answer against the document. */
export async function judge(operation: Operation, response: Response): Promise<Answer> {
  const { status, headers } = response;
  const text = await textOf(response);
  const at = `${operation.operationId} ${status} ${text.slice(0, 500)}`;
  const reply = operation.responses[String(status)] ?? assert.fail(`the status is not documented: ${at}`);
  const type = (headers.get("content-type") ?? "").split(";")[0] ?? "";
  const media = reply.content[type] ?? assert.fail(`the media type ${type} is not documented: ${at}`);
  const isJson = type.endsWith("json");
  const value: unknown = isJson ? JSON.parse(text) : text;
  assert.deepEqual(violations(media.schema, value, schemas), [], at);
  const listed = new Set(Object.keys(reply.headers ?? {}).map((name) => name.toLowerCase()));
  const unlisted = meaningful.filter((name) => headers.has(name) && !listed.has(name));
  if (isJson && operation.path !== "/openapi.json") assert.deepEqual(unlisted, [], at);
  const body = (isJson ? value : {}) as Record<string, unknown>;
  const code = typeof body.code === "string" ? body.code : "accepted";
  const waits = status === 503 && type === "application/problem+json";
  if (waits || code === "rate_limited" || code === "too_many_requests") {
    assert.match(headers.get("retry-after") ?? "", /^[1-9]\d*$/, at);
  }
  return { status, code, body, headers };
}
