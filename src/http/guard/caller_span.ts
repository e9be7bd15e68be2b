/**
 * The caller's span, with its sampled flag only for callers with a known token.
 *
 * @module
 */
import type { Access } from "./access.ts";
import { traceparentOf } from "../read/request.ts";

/**
 * The caller's `traceparent` for the observer. Its sampled flag causes the export of a request, so it is
 * accepted only from callers with a known token. Only requests with the flag pay for that check: one digest, 1
 * to 2 µs.
 */
export function callerSpan(request: Request, { access }: { readonly access: Access }): string {
  const traceparent = traceparentOf(request);
  const isSampled = "13579bdf".includes(traceparent.at(-1) ?? "-");
  if (!isSampled || access.knows(request)) return traceparent;
  return `${traceparent.slice(0, -2)}00`;
}
