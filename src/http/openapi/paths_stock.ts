/**
 * Stock and rules.
 *
 * @module
 */
import type { Part } from "../schemas/schema.ts";
import type { ProblemCode } from "../schemas/problems.ts";
import { undecidedCodes } from "../schemas/problems.ts";
import { operation } from "./operation.ts";

const ruleMembers = {
  opens_at: "2026-11-22T12:00:00.000Z",
  closes_at: "2026-11-22T13:00:00.000Z",
  quota: 2,
  purchase_token: false,
};

const changeCodes: readonly ProblemCode[] = ["unknown_sku", ...undecidedCodes];

function changed(more: Part): Part {
  return { success: true, sku: "SKU_123", available: 1000, ...more, seq: 41, message: "success" };
}

const adjusted = changed({ delta: 1000, adjustment_id: "delivery-88" });
const stockSet = changed({ adjustment_id: "count-3" });

const rulesSet = {
  success: true,
  sku: "SKU_123",
  ...ruleMembers,
  rules_version: 49,
  seq: 49,
  message: "success",
};

function pausing(operationId: "pause" | "resume", summary: string): Part {
  return operation({
    operationId,
    tag: "Stock",
    summary,
    description: "Takes effect with the next decision. A repetition changes nothing.",
    scope: "admin",
    parameters: ["sku", "Traceparent"],
    request: { schemas: ["PauseRequest"], optional: true, example: { reason: "price is wrong" } },
    successes: [{
      status: 200,
      description: "In effect.",
      body: "PauseSet",
      example: {
        success: true,
        sku: "SKU_123",
        paused: operationId === "pause",
        seq: 48,
        message: "success",
      },
    }],
    problems: changeCodes,
  });
}

export const stockPaths: Readonly<Record<string, Part>> = {
  "/api/v1/inventory/{sku}": {
    get: operation({
      operationId: "readStock",
      tag: "Stock",
      summary: "Stock and rules of a SKU",
      description: "Read from a verified store, or refused.",
      scope: "read",
      parameters: ["sku"],
      successes: [{
        status: 200,
        description: "The stock.",
        body: "Stock",
        example: {
          sku: "SKU_123",
          available: 999,
          reserved: 0,
          paused: false,
          ...ruleMembers,
          rules_version: 49,
          shard: 0,
          seq: 42,
        },
        headers: ["CacheControl"],
      }],
      problems: changeCodes,
    }),
    put: operation({
      operationId: "setStock",
      tag: "Stock",
      summary: "Set the stock (compare-and-set)",
      description:
        "`expected` must equal the available units; null means that the SKU has no stock yet: it does not exist, or was " +
        "created by its rules. Idempotent by adjustment id.",
      scope: "admin",
      parameters: ["sku", "Traceparent"],
      request: {
        schemas: ["SetRequest"],
        example: { adjustment_id: "count-3", available: 1000, expected: 990, reason: "counted" },
      },
      successes: [
        {
          status: 200,
          description: "The stock was set.",
          body: "StockSet",
          example: stockSet,
          headers: ["IdempotencyReplayed"],
        },
        {
          status: 201,
          description: "The SKU was created.",
          body: "StockSet",
          example: stockSet,
          headers: ["IdempotencyReplayed"],
        },
      ],
      problems: [...changeCodes, "stale", "stock_limit", "adjustment_conflict", "order_too_large"],
    }),
  },
  "/api/v1/inventory/{sku}/adjustments": {
    post: operation({
      operationId: "adjustStock",
      tag: "Stock",
      summary: "Add or remove units",
      description:
        "Creates the SKU when `delta` is not negative. Idempotent by adjustment id, also after the idempotency " +
        "window, because the ledger has older ids. 503 while the ledger does not respond; `PUT` needs no ledger.",
      scope: "admin",
      parameters: ["sku", "Traceparent"],
      request: {
        schemas: ["AdjustmentRequest"],
        example: { adjustment_id: "delivery-88", delta: 1000, reason: "delivery", reference: "DN-88" },
      },
      successes: [
        {
          status: 200,
          description: "The stock was changed.",
          body: "Adjusted",
          example: adjusted,
          headers: ["IdempotencyReplayed"],
        },
        {
          status: 201,
          description: "The SKU was created.",
          body: "Adjusted",
          example: adjusted,
          headers: ["IdempotencyReplayed"],
        },
      ],
      problems: [
        ...changeCodes,
        "ledger_behind",
        "insufficient_stock",
        "stock_limit",
        "adjustment_conflict",
        "order_too_large",
      ],
    }),
  },
  "/api/v1/inventory/{sku}/pause": { post: pausing("pause", "Pause the sale of a SKU") },
  "/api/v1/inventory/{sku}/resume": { post: pausing("resume", "Resume the sale of a SKU") },
  "/api/v1/inventory/{sku}/rules": {
    put: operation({
      operationId: "setRules",
      tag: "Stock",
      summary: "Set the rules of a SKU",
      description:
        "Replaces all rules except the pause, if `expected` equals their version (`rules_version` of " +
        "`GET /api/v1/inventory/{sku}`); otherwise 409 `stale`. `expected` null creates the SKU, without stock. A change of " +
        "`closes_at` or of the quota keeps the count of what users bought. The count restarts with another `opens_at`, with a " +
        "quota where there was none, and after the sale has been closed for a day. Times are compared with the store's " +
        "clock. Idempotent: unchanged rules are accepted.",
      scope: "admin",
      parameters: ["sku", "Traceparent"],
      request: { schemas: ["RulesRequest"], example: { ...ruleMembers, expected: 0 } },
      successes: [
        { status: 200, description: "The rules are in effect.", body: "RulesSet", example: rulesSet },
        {
          status: 201,
          description: "The SKU was created, without stock.",
          body: "RulesSet",
          example: rulesSet,
        },
      ],
      problems: [...changeCodes, "stale", "purchase_tokens_off"],
    }),
  },
};
