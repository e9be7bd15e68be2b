/**
 * `GET /openapi.json`: the document for machines; open to all, as it says nothing about anybody's stock.
 *
 * @module
 */
import type { Route } from "../ports/route.ts";
import { jsonHeaders, securityHeaders } from "../write/response.ts";
import { openApiDocument } from "./document.ts";

/** Serves the document. It is written out once, because it is large and never changes. */
export function openApiJson(): Route {
  const text = JSON.stringify(openApiDocument());
  const headers = { ...jsonHeaders, ...securityHeaders, "cache-control": "no-cache" };
  return () => new Response(text, { headers });
}
