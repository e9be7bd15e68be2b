/**
 * Deducts, one and many, and the tokens that some of them take.
 *
 * @module
 */
import type { Part } from "../schemas/schema.ts";
import { problemExample, saleCodes } from "../schemas/problems.ts";
import { operation, rateLimitHeaders } from "./operation.ts";

const deductExample = { sku: "SKU_123", user_id: "user-7", order_id: "order-1001", amount: 1 };

const deductedExample = {
  success: true,
  new_stock: 999,
  message: "success",
  order_id: "order-1001",
  sku: "SKU_123",
  amount: 1,
  seq: 42,
};

const itemsExample = [
  { ...deductedExample, status: 200, code: "accepted", replayed: false },
  problemExample("insufficient_stock"),
];

/** The paths. */
export const sellPaths: Readonly<Record<string, Part>> = {
  "/api/v1/inventory/deduct": {
    post: operation({
      operationId: "deduct",
      tag: "Sell",
      summary: "Sell units of one SKU",
      description:
        "Takes effect at most once for an order id and SKU: sending it again is safe, and gives the first answer again " +
        "with the header Idempotency-Replayed. After the idempotency window (a day by default) an order id must not " +
        "be used again. After a 503, send the same body again.",
      scope: "deduct",
      parameters: ["OrderAttempt", "PurchaseToken", "Traceparent"],
      request: { schemas: ["DeductRequest", "DeductRequestPascal"], example: deductExample },
      successes: [{
        status: 200,
        description: "The units are sold.",
        body: "Deducted",
        example: deductedExample,
        headers: ["IdempotencyReplayed", ...rateLimitHeaders],
      }],
      problems: saleCodes,
    }),
  },
  "/api/v1/inventory/deduct/batch": {
    post: operation({
      operationId: "deductBatch",
      tag: "Sell",
      summary: "Up to 1000 deducts, each decided on its own",
      description:
        "One result an item, in order; not atomic. An item that is refused is what the single deduct would have been " +
        "told, with its Retry-After among the members. Items cannot carry purchase tokens.",
      scope: "deduct",
      parameters: ["OrderAttempt", "Traceparent"],
      request: { schemas: ["BatchRequest"], example: { items: [deductExample] } },
      successes: [{
        status: 200,
        description: "Every item has its result.",
        body: "BatchDecided",
        example: { items: itemsExample },
      }],
      problems: [],
    }),
  },
  "/api/v1/purchase-tokens": {
    post: operation({
      operationId: "issuePurchaseToken",
      tag: "Sell",
      summary: "A token for one order of one user",
      description:
        "For a waiting room or a captcha, which hands it out. A SKU whose rules say so is sold with a token only. A token " +
        "covers a sale when each of its lines has a line of the token with at least as many units: for a basket, name all " +
        "of its SKUs. It names the deployment: in another one it is refused, also with the same key.",
      scope: "tokens",
      request: {
        schemas: ["PurchaseTokenRequest"],
        example: {
          order_id: "order-1001",
          user_id: "user-7",
          lines: [{ sku: "SKU_123", amount: 2 }],
          ttl_seconds: 300,
        },
      },
      successes: [{
        status: 200,
        description: "The token.",
        body: "PurchaseToken",
        example: {
          success: true,
          purchase_token: "eyJvcmRlcl9pZCI6Im9yZGVyLTEwMDEifQ.bWFj",
          order_id: "order-1001",
          user_id: "user-7",
          lines: [{ sku: "SKU_123", amount: 2 }],
          expires_at: "2026-11-22T12:05:00.000Z",
          message: "success",
        },
        headers: ["CacheControl"],
      }],
      problems: ["purchase_tokens_off", "unarmed"],
    }),
  },
};
