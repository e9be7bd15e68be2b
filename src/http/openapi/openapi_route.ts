/**
 * `GET /openapi.json`: the OpenAPI document. It is public, because it discloses nothing about stock.
 *
 * @module
 */
import type { Route } from "../ports/route.ts";
import { jsonHeaders, securityHeaders } from "../write/response.ts";
import { openApiDocument } from "./document.ts";

/** Serves the document. It is serialized once, because it is large and constant. */
export function openApiJson(): Route {
  const text = JSON.stringify(openApiDocument());
  const headers = { ...jsonHeaders, ...securityHeaders, "cache-control": "no-cache" };
  return () => new Response(text, { headers });
}
