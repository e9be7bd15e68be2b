/**
 * Deducts, batches and purchase tokens.
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

export const sellPaths: Readonly<Record<string, Part>> = {
  "/api/v1/inventory/deduct": {
    post: operation({
      operationId: "deduct",
      tag: "Sell",
      summary: "Sell units of one SKU",
      description:
        "Takes effect at most once per order id and SKU. A repetition is safe and gets the first response, with the header " +
        "Idempotency-Replayed. Do not reuse an order id after the idempotency window (default: one day). After a 503, send " +
        "the same body again.",
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
      summary: "Up to 1000 independent deducts",
      description:
        "One result per item, in order; not atomic. A refused item has the body of the single deduct's problem, with " +
        "Retry-After as a member. Items cannot have purchase tokens.",
      scope: "deduct",
      parameters: ["OrderAttempt", "Traceparent"],
      request: { schemas: ["BatchRequest"], example: { items: [deductExample] } },
      successes: [{
        status: 200,
        description: "The results, one per item.",
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
      summary: "Issue a purchase token",
      description:
        "For a waiting room or a captcha. SKUs whose rules require it are sold only with a token. A token covers a sale if " +
        "it has a line with at least as many units for each line of the sale: for a basket, list all of its SKUs. It names " +
        "the deployment: another one refuses it, also with the same key.",
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
