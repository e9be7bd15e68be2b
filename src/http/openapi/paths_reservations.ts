/**
 * Reservations: hold units, then confirm or cancel them.
 *
 * @module
 */
import type { Part } from "../schemas/schema.ts";
import type { ProblemCode } from "../schemas/problems.ts";
import { saleCodes, undecidedCodes } from "../schemas/problems.ts";
import { operation, rateLimitHeaders } from "./operation.ts";

/** Codes for the states of a reservation. */
const endCodes: readonly ProblemCode[] = ["already_confirmed", "already_cancelled", "reservation_expired"];
const settleCodes: readonly ProblemCode[] = [
  "unknown_reservation",
  ...endCodes,
  "too_many_requests",
  ...undecidedCodes,
];

const expires_at = "2026-11-22T12:10:00.000Z";

function settledExample(state: "confirmed" | "cancelled", confirmed: number): Part {
  const lines = [{ sku: "SKU_123", confirmed, new_stock: 998 }];
  return { success: true, order_id: "order-1003", state, lines, seq: 46, message: "success" };
}

export const reservationPaths: Readonly<Record<string, Part>> = {
  "/api/v1/reservations": {
    post: operation({
      operationId: "reserve",
      tag: "Reservations",
      summary: "Reserve units",
      description:
        "Reserves all lines or none, until the reservation expires: 10 minutes by default. Counts as a purchase for the " +
        "user limit and the quota. An order id has one reservation: another one is `order_conflict`, and after its end " +
        "refused with its final state. `ttl_seconds` is part of the contents.",
      scope: "deduct",
      parameters: ["OrderAttempt", "PurchaseToken", "Traceparent"],
      request: {
        schemas: ["ReservationRequest"],
        example: {
          order_id: "order-1003",
          user_id: "user-7",
          lines: [{ sku: "SKU_123", amount: 2 }],
          ttl_seconds: 600,
        },
      },
      successes: [{
        status: 201,
        description: "The units are reserved.",
        body: "Reserved",
        example: {
          success: true,
          order_id: "order-1003",
          lines: [{ sku: "SKU_123", amount: 2, new_stock: 997 }],
          expires_at,
          seq: 45,
          message: "success",
        },
        headers: ["IdempotencyReplayed", ...rateLimitHeaders],
      }],
      problems: [...saleCodes, ...endCodes, "cross_shard_basket"],
    }),
  },
  "/api/v1/reservations/{order_id}/confirm": {
    post: operation({
      operationId: "confirm",
      tag: "Reservations",
      summary: "Confirm a reservation",
      description:
        "Sells all reserved units, or those of `lines`; the rest returns. A repetition with the same units gets the first " +
        "response. Like cancelling and extending, it needs the token that made the reservation, or one that also has the " +
        "scope `admin`.",
      scope: "deduct",
      parameters: ["order_id", "Traceparent"],
      request: {
        schemas: ["ConfirmRequest"],
        optional: true,
        example: { lines: [{ sku: "SKU_123", amount: 1 }] },
      },
      successes: [{
        status: 200,
        description: "The units are sold.",
        body: "Settled",
        example: settledExample("confirmed", 1),
        headers: ["IdempotencyReplayed"],
      }],
      problems: [...settleCodes, "confirm_exceeds_held"],
    }),
  },
  "/api/v1/reservations/{order_id}/cancel": {
    post: operation({
      operationId: "cancel",
      tag: "Reservations",
      summary: "Cancel a reservation",
      description: "Returns the units to the stock. A repetition gets the first response.",
      scope: "deduct",
      parameters: ["order_id", "Traceparent"],
      request: { schemas: ["CancelRequest"], optional: true, example: {} },
      successes: [{
        status: 200,
        description: "The units are returned.",
        body: "Settled",
        example: settledExample("cancelled", 0),
        headers: ["IdempotencyReplayed"],
      }],
      problems: settleCodes.filter((code) => code !== "already_cancelled"),
    }),
  },
  "/api/v1/reservations/{order_id}/extend": {
    post: operation({
      operationId: "extend",
      tag: "Reservations",
      summary: "Extend a reservation",
      description:
        "Extends it to `ttl_seconds` after its creation, at most four hours. Never shortens it, so a repetition changes " +
        "nothing.",
      scope: "deduct",
      parameters: ["order_id", "Traceparent"],
      request: { schemas: ["ExtendRequest"], example: { ttl_seconds: 1200 } },
      successes: [{
        status: 200,
        description: "The reservation is extended.",
        body: "Extended",
        example: {
          success: true,
          order_id: "order-1003",
          expires_at: "2026-11-22T12:20:00.000Z",
          seq: 47,
          message: "success",
        },
      }],
      problems: settleCodes,
    }),
  },
};
