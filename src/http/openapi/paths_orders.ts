/**
 * Baskets, lookups and returns.
 *
 * @module
 */
import type { Part } from "../schemas/schema.ts";
import { saleCodes, undecidedCodes } from "../schemas/problems.ts";
import { operation, rateLimitHeaders } from "./operation.ts";

const lines = [{ sku: "{tour}ticket", amount: 2 }, { sku: "{tour}parking", amount: 1 }];

const soldLines = [
  { sku: "{tour}ticket", amount: 2, new_stock: 498 },
  { sku: "{tour}parking", amount: 1, new_stock: 79 },
];

const orderLine = {
  sku: "SKU_123",
  user_id: "user-7",
  kind: "deduct",
  amount: 1,
  state: "accepted",
  units: 1,
  returned: 0,
  new_stock: 999,
  seq: 42,
  accepted_at: "2026-11-22T12:00:00.000Z",
  expires_at: null,
  settled: null,
};

export const orderPaths: Readonly<Record<string, Part>> = {
  "/api/v1/orders": {
    post: operation({
      operationId: "placeOrder",
      tag: "Orders",
      summary: "Sell a basket: all lines or none",
      description:
        "SKUs of several shards need an API with a ledger, and take longer; a common `{tag}` in their names puts them " +
        "into one shard. `seq` is that of the first line. A refusal names the SKU.",
      scope: "deduct",
      parameters: ["OrderAttempt", "PurchaseToken", "Traceparent"],
      request: { schemas: ["BasketRequest"], example: { order_id: "order-1002", user_id: "user-7", lines } },
      successes: [{
        status: 200,
        description: "All lines were sold.",
        body: "BasketSold",
        example: { success: true, order_id: "order-1002", lines: soldLines, seq: 43, message: "success" },
        headers: ["IdempotencyReplayed", ...rateLimitHeaders],
      }],
      problems: [...saleCodes, "cross_shard_basket", "ledger_behind"],
    }),
  },
  "/api/v1/orders/{order_id}": {
    get: operation({
      operationId: "findOrder",
      tag: "Orders",
      summary: "Look up an order",
      description:
        "For a client that lost the response. Asks all shards, and the ledger past the idempotency window. " +
        "`unknown_order` is final after the deadline in the 503.",
      scope: "read",
      parameters: ["order_id"],
      successes: [{
        status: 200,
        description: "Its lines.",
        body: "Order",
        example: { order_id: "order-1001", lines: [orderLine] },
        headers: ["CacheControl"],
      }],
      problems: ["unknown_order", "ledger_behind", "too_many_requests", ...undecidedCodes],
    }),
  },
  "/api/v1/orders/{order_id}/return": {
    post: operation({
      operationId: "returnUnits",
      tag: "Orders",
      summary: "Return sold units",
      description:
        "Returns all or a part of the accepted or confirmed units, never more, and restores the user's quota. Idempotent by " +
        "return id. The lines must have been sold by the same token, unless the token also has the scope `admin`.",
      scope: "return",
      parameters: ["order_id", "Traceparent"],
      request: {
        schemas: ["ReturnRequest"],
        example: { return_id: "return-5", lines: [{ sku: "SKU_123", amount: 1 }], reason: "too small" },
      },
      successes: [{
        status: 200,
        description: "The units are returned.",
        body: "Returned",
        example: {
          success: true,
          order_id: "order-1001",
          return_id: "return-5",
          lines: [{ sku: "SKU_123", amount: 1, new_stock: 1000 }],
          seq: 44,
          message: "success",
        },
        headers: ["IdempotencyReplayed"],
      }],
      problems: [
        "unknown_order",
        "unknown_sku",
        "return_exceeds_sold",
        "stock_limit",
        "return_conflict",
        "cross_shard_basket",
        "order_too_large",
        "ledger_behind",
        "too_many_requests",
        ...undecidedCodes,
      ],
    }),
  },
};
