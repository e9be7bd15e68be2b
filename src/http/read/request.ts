/**
 * What is read from a request before its contents are judged: media type, size, text, JSON, trace, path.
 *
 * @module
 */
import type { Connection } from "../ports/route.ts";
import { invalidRequest, problem } from "../write/problem.ts";
import type { Bodies, BodyText } from "./bodies.ts";
import type { World } from "../../runtime/world.ts";
import { stoppingProblem } from "../write/refusal.ts";
import { type Checked, refused, valid } from "../write/response.ts";

/** Bytes of a body. An order of one SKU has 150, a basket of 100 lines of the longest SKUs 15 KB. */
export const bodyBytesMax = 16 * 1024;
/** Bytes of a batch: a thousand deducts at their largest are 0.6 MB. */
export const batchBytesMax = 1024 * 1024;

/** `application/json`, with parameters or without: JSON is UTF-8 whatever `charset` says (RFC 8259). */
const jsonMediaType = /^application\/json[\t ]*(?:;|$)/i;

const wrongMediaType = refused(
  problem("unsupported_media_type", "The body must be sent as content-type: application/json"),
);
const bodyLate = refused(
  problem(
    "body_timeout",
    "The body did not arrive in time. The request was certainly not taken: send it again",
  ),
);
const wrongEncoding = refused(
  problem("unsupported_media_type", "The body must be sent without Content-Encoding", {
    headers: { "accept-encoding": "identity" },
  }),
);
const bodyCut = refused(invalidRequest([{ pointer: "", detail: "the body ended before it was complete" }]));
const emptyObject = valid<unknown>({});

/** Version 00 of W3C Trace Context; ids of zeros only are invalid. */
const traceparentSyntax = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

/** How a route takes its body. */
export interface BodyRule {
  /** Bytes; {@link bodyBytesMax} when left out. */
  readonly bytesMax?: number;
  /** What no body at all stands for, where a body may be left out; it needs no media type. */
  readonly whenEmpty?: Checked<unknown>;
}

/** A body that may be left out: then it reads as an empty object. */
export const optionalBody: BodyRule = { whenEmpty: emptyObject };
/** A batch. */
export const batchBody: BodyRule = { bytesMax: batchBytesMax };
const usualBody: BodyRule = {};

/**
 * Reads a JSON body.
 *
 * Bytes that are not UTF-8 become U+FFFD, which no string of ours may contain (`members.ts`), so they are
 * refused without a second pass over the text. Of members with the same name the last one counts.
 */
export async function readJson(
  request: Request,
  { bodies, world }: { readonly bodies: Bodies; readonly world: World },
  { bytesMax = bodyBytesMax, whenEmpty }: BodyRule = usualBody,
): Promise<Checked<unknown>> {
  const { headers } = request;
  const mediaType = headers.get("content-type");
  const isJson = mediaType !== null && jsonMediaType.test(mediaType);
  if (!isJson && whenEmpty === undefined) return wrongMediaType;
  const encoding = headers.get("content-encoding");
  if (encoding !== null && encoding.toLowerCase() !== "identity") return wrongEncoding;
  const body = await bodies.read(request, bytesMax);
  if (body.kind !== "text") return refusalOf(body, bytesMax, world.now());
  const { text } = body;
  if (text === "" && whenEmpty !== undefined) return whenEmpty;
  if (!isJson) return wrongMediaType;
  try {
    return valid(JSON.parse(text));
  } catch {
    return refused(invalidRequest([{ pointer: "", detail: "the body must be JSON" }]));
  }
}

function refusalOf(
  { kind }: Exclude<BodyText, { kind: "text" }>,
  bytesMax: number,
  nowMs: number,
): Checked<never> {
  switch (kind) {
    case "too_large":
      return refused(problem("body_too_large", `The body must not be larger than ${bytesMax} bytes`));
    case "late":
      return bodyLate;
    case "stopping":
      return refused(stoppingProblem(nowMs));
    case "cut":
      // The connection failed: nobody reads this answer.
      return bodyCut;
  }
}

/** The caller's `traceparent` (W3C Trace Context), or an empty string when there is none to go on with. */
export function traceparentOf(request: Request): string {
  const header = request.headers.get("traceparent");
  return header !== null && traceparentSyntax.test(header) ? header : "";
}

/** The `traceparent` that goes into the log: of our own span when somebody watches, else the caller's. */
export function spanOf(request: Request, { requestRecord }: Connection): string {
  return requestRecord === undefined ? traceparentOf(request) : requestRecord.traceparent;
}

/**
 * The path as it was sent, percent-encoding and all.
 *
 * Hono's own decodes it leniently and in two steps, after which `%ff` and `%25ff` are the same; a SKU
 * must be one thing or refused. Routes are matched on the raw path, and {@link decodeSegment} decodes.
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

/** The id in `/api/v1/<things>/<id>…`: the segment as it was sent, because a strict decoding must see it so. */
export function idSegment(request: Request): string {
  return rawPath(request).split("/")[4] ?? "";
}

/** A segment of the path in clear, or undefined when its percent-encoding is not UTF-8. */
export function decodeSegment(segment: string): string | undefined {
  if (!segment.includes("%")) return segment;
  try {
    return decodeURIComponent(segment);
  } catch {
    return undefined;
  }
}
