/**
 * What is read from a request before its contents are judged: media type, size, text, JSON, trace, path.
 *
 * @module
 */
import type { Connection } from "./connection.ts";
import { invalidRequest, problem } from "./problem.ts";
import { type Checked, refused, valid } from "./response.ts";

/** Bytes of a request's body. A thousand deducts at their largest are 0.6 MB. */
export const bodyBytesMax = 1024 * 1024;

/** `application/json`, with parameters or without: JSON is UTF-8 whatever `charset` says (RFC 8259). */
const jsonMediaType = /^application\/json[\t ]*(?:;|$)/i;

const wrongMediaType = refused(
  problem("unsupported_media_type", "The body must be sent as content-type: application/json"),
);
const bodyTooLarge = refused(
  problem("body_too_large", `The body must not be larger than ${bodyBytesMax} bytes`),
);
const emptyObject = valid<unknown>({});

/** Version 00 of W3C Trace Context; ids of zeros only are invalid. */
const traceparentSyntax = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

/**
 * Reads a JSON body, at most {@link bodyBytesMax} of it.
 *
 * Bytes that are not UTF-8 become U+FFFD, which no string of ours may contain (`members.ts`), so they are
 * refused without a second pass over the text. Of members with the same name the last one counts.
 *
 * @param whenEmpty what no body at all stands for, where a body may be left out; it needs no media type
 */
export async function readJson(request: Request, whenEmpty?: Checked<unknown>): Promise<Checked<unknown>> {
  const { headers } = request;
  const mediaType = headers.get("content-type");
  const isJson = mediaType !== null && jsonMediaType.test(mediaType);
  if (!isJson && whenEmpty === undefined) return wrongMediaType;
  let text: string | undefined;
  try {
    text = await readText(request, headers);
  } catch {
    // Only the connection can fail here: nobody reads this answer, but it is no error of ours.
    return refused(invalidRequest([{ pointer: "", detail: "the body ended before it was complete" }]));
  }
  if (text === undefined) return bodyTooLarge;
  if (text === "" && whenEmpty !== undefined) return whenEmpty;
  if (!isJson) return wrongMediaType;
  try {
    return valid(JSON.parse(text));
  } catch {
    return refused(invalidRequest([{ pointer: "", detail: "the body must be JSON" }]));
  }
}

/** Reads a JSON body that may be left out: then it reads as an empty object. */
export function readOptionalJson(request: Request): Promise<Checked<unknown>> {
  return readJson(request, emptyObject);
}

/** Resolves to undefined when the body is too large. */
function readText(request: Request, headers: Headers): Promise<string | undefined> {
  const length = headers.get("content-length");
  // The server holds a body to its Content-Length; only a body of unknown length must be counted here.
  if (length === null || headers.has("transfer-encoding")) return readCounted(request.body);
  return Number(length) > bodyBytesMax ? Promise.resolve(undefined) : request.text();
}

async function readCounted(body: ReadableStream<Uint8Array> | null): Promise<string | undefined> {
  if (body === null) return "";
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  // Leaving the loop early cancels the stream: nothing more is received.
  for await (const chunk of body) {
    bytes += chunk.byteLength;
    if (bytes > bodyBytesMax) return undefined;
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

/** The caller's `traceparent` (W3C Trace Context), or an empty string when there is none to go on with. */
export function traceparentOf(request: Request): string {
  const header = request.headers.get("traceparent");
  return header !== null && traceparentSyntax.test(header) ? header : "";
}

/** The `traceparent` that goes into the log: of our own span when somebody watches, else the caller's. */
export function spanOf(request: Request, { journey }: Connection): string {
  return journey === undefined ? traceparentOf(request) : journey.traceparent;
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
