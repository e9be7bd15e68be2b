/**
 * Components other than schemas: parameters, headers, the security scheme.
 *
 * @module
 */
import type { Part } from "../schemas/schema.ts";
import { idSchemas } from "../schemas/requests.ts";
import { tokenCharsMax } from "../guard/purchase_tokens.ts";
import { problemResponse } from "./operation.ts";

export const parameters: Readonly<Record<string, Part>> = {
  sku: {
    name: "sku",
    in: "path",
    required: true,
    schema: idSchemas.sku,
    description: "The SKU, percent-encoded.",
  },
  order_id: {
    name: "order_id",
    in: "path",
    required: true,
    schema: idSchemas.orderId,
    description: "The order, percent-encoded.",
  },
  OrderAttempt: {
    name: "Order-Attempt",
    in: "header",
    required: false,
    schema: { type: "string", enum: ["1"] },
    description:
      "`1` declares that this order was never sent before. Then the API may refuse it from its sold-out cache. Never " +
      "send it with a retry.",
  },
  PurchaseToken: {
    name: "Purchase-Token",
    in: "header",
    required: false,
    schema: { type: "string", maxLength: tokenCharsMax },
    description: "A purchase token for this order, user, SKUs and units, if the SKU requires one.",
  },
  Traceparent: {
    name: "traceparent",
    in: "header",
    required: false,
    schema: { type: "string" },
    description: "W3C Trace Context. An invalid value is ignored.",
  },
};

export const headers: Readonly<Record<string, Part>> = {
  IdempotencyReplayed: {
    schema: { type: "string", enum: ["true"] },
    description: "The request took effect earlier, and the body is the first response. Otherwise absent.",
  },
  RetryAfter: {
    schema: { type: "integer", minimum: 1 },
    description: "Seconds to wait before the next attempt. Absent if waiting does not help.",
  },
  RateLimit: {
    schema: { type: "string" },
    description:
      'Remaining requests of this buyer, e.g. `"buyer";r=4;t=2`. Only if the server limits buyers.',
  },
  RateLimitPolicy: {
    schema: { type: "string" },
    description: 'Request limit per buyer, e.g. `"buyer";q=5;w=10`. Only if the server limits buyers.',
  },
  WwwAuthenticate: { schema: { type: "string" }, description: "How to authenticate (RFC 6750)." },
  Allow: { schema: { type: "string" }, description: "The methods of this path." },
  CacheControl: { schema: { const: "no-store" }, description: "Responses must not be cached." },
};

/** Responses that belong to no operation. */
export const responses: Readonly<Record<string, Part>> = {
  NotFound: problemResponse(["not_found"]),
};

export const securitySchemes: Readonly<Record<string, Part>> = {
  bearer: {
    type: "http",
    scheme: "bearer",
    description:
      "A token of the setting API_TOKENS, with the scope of the operation: `deduct`, `return`, `read`, `tokens` or " +
      "`admin`. Scopes do not include one another. Lines belong to the token that sold them: others with the same " +
      "scope get 403 `forbidden`, unless they also have `admin`. A " +
      "server without tokens listens on loopback only, without authentication.",
  },
};
