/**
 * One operation of the API, in its short form and in OpenAPI's.
 *
 * @module
 */
import type { Scope } from "../../runtime/settings/config.ts";
import { type ProblemCode, problemExample, problemName, problems } from "../schemas/problems.ts";
import { type Part, ref, type Schema } from "../schemas/schema.ts";

/** A successful response. */
export interface Success {
  /** HTTP status. */
  readonly status: number;
  readonly description: string;
  /** The component name of the body's schema. */
  readonly body: string;
  /** An example of the body. */
  readonly example: unknown;
  /** Component names of headers. */
  readonly headers?: readonly string[];
}

/** A request body. */
export interface RequestBody {
  /** Component names of its schemas; any of them is accepted. */
  readonly schemas: readonly [string, ...string[]];
  /** Whether the body may be missing. */
  readonly optional?: boolean;
  /** An example of the body. */
  readonly example: unknown;
}

/** One operation, without the parts that {@link operation} derives. */
export interface Operation {
  /** The name for generated clients. */
  readonly operationId: string;
  readonly tag: string;
  readonly summary: string;
  readonly description: string;
  /** The required scope; null = public. */
  readonly scope: Scope | null;
  /** Component names of parameters. */
  readonly parameters?: readonly string[];
  readonly request?: RequestBody;
  /** Successful responses. */
  readonly successes: readonly Success[];
  /** Codes in addition to those that {@link codesOf} derives. */
  readonly problems: readonly ProblemCode[];
}

/** Codes that any operation with a body may return. */
const bodyCodes: readonly ProblemCode[] = [
  "invalid_request",
  "body_timeout",
  "body_too_large",
  "unsupported_media_type",
];

/** Header names by their component name. */
export const headerNames: Readonly<Record<string, string>> = {
  IdempotencyReplayed: "Idempotency-Replayed",
  RetryAfter: "Retry-After",
  RateLimit: "RateLimit",
  RateLimitPolicy: "RateLimit-Policy",
  WwwAuthenticate: "WWW-Authenticate",
  Allow: "Allow",
  CacheControl: "Cache-Control",
};

/** Headers of every response to a sale when the rate limit is on. */
export const rateLimitHeaders: readonly string[] = ["RateLimit", "RateLimitPolicy"];

/** The operation as OpenAPI has it. */
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

/** All codes that an operation may return, each once. */
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

/** The response for all problems of one status. */
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
