/**
 * Reads a request before its contents are checked: media type, size, text, JSON, trace, path.
 *
 * @module
 */
import type { Connection } from "../ports/route.ts";
import { invalidRequest, problem } from "../write/problem.ts";
import type { Bodies, Body } from "./bodies.ts";
import type { World } from "../../runtime/world.ts";
import { stoppingProblem } from "../write/refusal.ts";
import { type Checked, refused, valid } from "../write/response.ts";

/** Limit of a body, in bytes. An order of one SKU has 150, a basket of 100 lines with the longest SKUs 15 KB. */
export const bodyBytesMax = 16 * 1024;
/** Limit of a batch, in bytes: a thousand of the largest deducts have 0.6 MB. */
export const batchBytesMax = 1024 * 1024;

/** `application/json`, with parameters or without: JSON is UTF-8 whatever `charset` says (RFC 8259). */
const jsonMediaType = /^application\/json[\t ]*(?:;|$)/i;

const wrongMediaType = refused(
  problem("unsupported_media_type", "The body must be sent as content-type: application/json"),
);
const bodyLate = refused(
  problem(
    "body_timeout",
    "The body did not arrive in time. The request had no effect: send it again",
  ),
);
const wrongEncoding = refused(
  problem("unsupported_media_type", "The body must be sent without Content-Encoding", {
    headers: { "accept-encoding": "identity" },
  }),
);
const bodyCut = refused(invalidRequest([{ pointer: "", detail: "the body ended before it was complete" }]));
const notJson = refused(invalidRequest([{ pointer: "", detail: "the body must be JSON" }]));
const emptyObject = valid<unknown>({});

/** Version 00 of W3C Trace Context; ids of only zeros are invalid. */
const traceparentSyntax = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

/** How a route reads its body. */
export interface BodyRule {
  /** Limit in bytes; default {@link bodyBytesMax}. */
  readonly bytesMax?: number;
  /** The value of an empty body, for routes where the body is optional; an empty body needs no media type. */
  readonly whenEmpty?: Checked<unknown>;
}

/** An optional body; an empty one reads as an empty object. */
export const optionalBody: BodyRule = { whenEmpty: emptyObject };
export const batchBody: BodyRule = { bytesMax: batchBytesMax };
const usualBody: BodyRule = {};

/**
 * Reads a JSON body.
 *
 * Invalid UTF-8 becomes U+FFFD, which no string of the API may contain (`text_rules.ts`), so it is refused without a
 * second pass over the text. Of members with the same name the last one counts.
 */
export function readJson(
  request: Request,
  { bodies, world }: { readonly bodies: Bodies; readonly world: World },
  { bytesMax = bodyBytesMax, whenEmpty }: BodyRule = usualBody,
): Promise<Checked<unknown>> {
  const { headers } = request;
  const mediaType = headers.get("content-type");
  const isJson = mediaType !== null && jsonMediaType.test(mediaType);
  if (!isJson && whenEmpty === undefined) return Promise.resolve(wrongMediaType);
  const encoding = headers.get("content-encoding");
  if (encoding !== null && encoding.toLowerCase() !== "identity") return Promise.resolve(wrongEncoding);
  return bodies.read(
    request,
    bytesMax,
    (body) =>
      body.kind === "json" && isJson
        ? valid(body.value)
        : withoutJson(body, { isJson, bytesMax, whenEmpty, nowMs: world.now() }),
  );
}

/** The result of a body that has no JSON, or is of another media type. */
function withoutJson(
  { kind }: Body,
  { isJson, bytesMax, whenEmpty = notJson, nowMs }: {
    readonly isJson: boolean;
    readonly bytesMax: number;
    readonly whenEmpty: Checked<unknown> | undefined;
    readonly nowMs: number;
  },
): Checked<unknown> {
  switch (kind) {
    case "empty":
      return whenEmpty;
    case "json":
      return wrongMediaType;
    case "not_json":
      return isJson ? notJson : wrongMediaType;
    case "too_large":
      return refused(problem("body_too_large", `The body must not be larger than ${bytesMax} bytes`));
    case "late":
      return bodyLate;
    case "stopping":
      return refused(stoppingProblem(nowMs));
    case "cut":
      // The connection failed; no client reads this response.
      return bodyCut;
  }
}

/** The caller's `traceparent` (W3C Trace Context), or an empty string when it is missing or invalid. */
export function traceparentOf(request: Request): string {
  const header = request.headers.get("traceparent");
  return header !== null && traceparentSyntax.test(header) ? header : "";
}

/** The `traceparent` for the log: of this process's span when there is an observer, else the caller's. */
export function spanOf(request: Request, { requestRecord }: Connection): string {
  return requestRecord === undefined ? traceparentOf(request) : requestRecord.loggedTraceparent;
}

/**
 * The path as sent, percent-encoded.
 *
 * Hono decodes paths leniently and in two steps, after which `%ff` and `%25ff` are equal; but a SKU has one spelling
 * or is refused. Routes match the raw path, and {@link decodeSegment} decodes it.
 */
export function rawPath(request: Request): string {
  const { url } = request;
  // After "https://": the first slash that can begin the path.
  const start = url.indexOf("/", url.indexOf(":") + 3);
  if (start === -1) return "/";
  for (let i = start; i < url.length; i++) {
    const unit = url.charCodeAt(i);
    if (unit === 0x3f || unit === 0x23) return url.slice(start, i); // ? and #
  }
  return url.slice(start);
}

/** The id in `/api/v1/<things>/<id>…`, percent-encoded, because the strict decoding needs it so. */
export function idSegment(request: Request): string {
  return rawPath(request).split("/")[4] ?? "";
}

/** Decodes a path segment; undefined when its percent-encoding is not UTF-8. */
export function decodeSegment(segment: string): string | undefined {
  if (!segment.includes("%")) return segment;
  try {
    return decodeURIComponent(segment);
  } catch {
    return undefined;
  }
}
