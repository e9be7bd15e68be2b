/**
 * `GET /docs`: the OpenAPI document as a page. It has no scripts, fonts or images, so it works offline and under the
 * strictest policy; the policy names the digest of its style.
 *
 * @module
 */
import { createHash } from "node:crypto";
import type { Route } from "../ports/route.ts";
import { securityHeaders } from "../write/response.ts";
import { renderPage } from "./docs_html.ts";
import { docsStyle } from "./docs_style.ts";
import { openApiDocument } from "./document.ts";

const styleDigest = createHash("sha256").update(docsStyle).digest("base64");

const headers = {
  ...securityHeaders,
  "content-type": "text/html; charset=utf-8",
  "cache-control": "no-cache",
  "content-security-policy": [
    "default-src 'none'",
    `style-src 'sha256-${styleDigest}'`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; "),
  "referrer-policy": "no-referrer",
};

/** Serves the page. It is rendered once. */
export function docsPage(): Route {
  const page = renderPage(openApiDocument(), docsStyle);
  return () => new Response(page, { headers });
}
