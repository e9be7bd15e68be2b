/**
 * One operation of the API as it is written down, and as OpenAPI has it.
 *
 * @module
 */
import type { Scope } from "../../runtime/settings/config.ts";
import { type ProblemCode, problemExample, problemName, problems } from "../schemas/problems.ts";
import { type Part, ref, type Schema } from "../schemas/schema.ts";

/** A success. */
export interface Success {
  /** HTTP status. */
  readonly status: number;
  /** What it means. */
  readonly description: string;
  /** The body's schema among the components. */
  readonly body: string;
  /** A body as it may look. */
  readonly example: unknown;
  /** Headers among the components. */
  readonly headers?: readonly string[];
}

/** A body that is sent. */
export interface RequestBody {
  /** Its schemas among the components; any of them. */
  readonly schemas: readonly [string, ...string[]];
  /** Whether it may be left out. */
  readonly optional?: boolean;
  /** A body as it may look. */
  readonly example: unknown;
}

/** One operation, without what follows from the rest. */
export interface Operation {
  /** Its name: of a function that calls it. */
  readonly operationId: string;
  /** Group of operations. */
  readonly tag: string;
  /** A few words. */
  readonly summary: string;
  /** What to know. */
  readonly description: string;
  /** What the caller's token must allow; null = open to all. */
  readonly scope: Scope | null;
  /** Parameters among the components. */
  readonly parameters?: readonly string[];
  /** What is sent. */
  readonly request?: RequestBody;
  /** What comes back when all is well. */
  readonly successes: readonly Success[];
  /** What else may come back, beside what follows from the rest. */
  readonly problems: readonly ProblemCode[];
}

/** What any body may be refused for. */
const bodyCodes: readonly ProblemCode[] = [
  "invalid_request",
  "body_timeout",
  "body_too_large",
  "unsupported_media_type",
];

/** Header names on the wire of the headers among the components. */
export const headerNames: Readonly<Record<string, string>> = {
  IdempotencyReplayed: "Idempotency-Replayed",
  RetryAfter: "Retry-After",
  RateLimit: "RateLimit",
  RateLimitPolicy: "RateLimit-Policy",
  WwwAuthenticate: "WWW-Authenticate",
  Allow: "Allow",
  CacheControl: "Cache-Control",
};

/** Headers of every answer to a sale, where the server limits how fast buyers may ask. */
export const rateLimitHeaders: readonly string[] = ["RateLimit", "RateLimitPolicy"];

/** An operation as OpenAPI has it. */
export function operation(written: Operation): Part {
  const { operationId, tag, summary, description, scope, parameters = [], request } = written;
  const optional = {
    ...(parameters.length > 0
      ? { parameters: parameters.map((name) => ({ $ref: `#/components/parameters/${name}` })) }
      : {}),
    ...(request === undefined ? {} : { requestBody: requestBody(request) }),
  };
  return {
    operationId,
    tags: [tag],
    summary,
    description,
    security: scope === null ? [] : [{ bearer: [scope] }],
    ...optional,
    responses: responses(written),
  };
}

/** Every code that an operation may answer with, each once. */
export function codesOf({ scope, parameters = [], request, problems: own }: Operation): ProblemCode[] {
  const hasId = parameters.includes("sku") || parameters.includes("order_id");
  const codes: ProblemCode[] = [
    ...(request === undefined ? [] : bodyCodes),
    ...(hasId ? ["invalid_request", "not_found"] as const : []),
    ...(scope === null ? [] : ["unauthorized", "forbidden"] as const),
    ...own,
    "invalid_host",
    "cross_site_request",
    "method_not_allowed",
    "internal_error",
  ];
  return [...new Set(codes)];
}

function requestBody({ schemas, optional, example }: RequestBody): Part {
  const [first, ...others] = schemas;
  const schema: Schema = others.length === 0 ? ref(first) : { oneOf: schemas.map((name) => ref(name)) };
  return { required: optional !== true, content: { "application/json": { schema, example } } };
}

function responses(written: Operation): Part {
  const isSale = written.parameters?.includes("OrderAttempt") ?? false;
  const byStatus: [string, Part][] = written.successes.map((success) => [
    String(success.status),
    {
      description: success.description,
      ...headersPart(success.headers ?? []),
      content: { "application/json": { schema: ref(success.body), example: success.example } },
    },
  ]);
  const codes = Map.groupBy(codesOf(written), (code) => problems[code].status);
  for (const [status, group] of [...codes].toSorted(([a], [b]) => a - b)) {
    const limited =
      group.includes("too_many_requests") || isSale && [404, 403, 409, 422, 429, 503].includes(status)
        ? rateLimitHeaders
        : [];
    byStatus.push([String(status), problemResponse(group, limited)]);
  }
  return Object.fromEntries(byStatus);
}

/** The answer for all problems that share a status. */
export function problemResponse(codes: readonly ProblemCode[], headers: readonly string[] = []): Part {
  const names = new Set([...codes.flatMap((code) => problems[code].headers), ...headers]);
  const toSchema = (code: ProblemCode) => ref(problemName(code));
  const [only, ...others] = codes;
  const schema = only !== undefined && others.length === 0 ? toSchema(only) : {
    oneOf: codes.map(toSchema),
    discriminator: {
      propertyName: "code",
      mapping: Object.fromEntries(codes.map((code) => [code, String(toSchema(code).$ref)])),
    },
  };
  const examples = codes.map((code) => [code, { value: problemExample(code) }]);
  return {
    description: codes.map((code) => `\`${code}\`: ${problems[code].title}.`).join(" "),
    ...headersPart([...names]),
    content: { "application/problem+json": { schema, examples: Object.fromEntries(examples) } },
  };
}

function headersPart(names: readonly string[]): Part {
  if (names.length === 0) return {};
  const headers = names.map((name) => [headerNames[name] ?? name, { $ref: `#/components/headers/${name}` }]);
  return { headers: Object.fromEntries(headers) };
}
