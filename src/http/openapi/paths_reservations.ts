/**
 * Reservations: hold units for a while, then make a sale of them or let them go.
 *
 * @module
 */
import type { Part } from "../schemas/schema.ts";
import type { ProblemCode } from "../schemas/problems.ts";
import { saleCodes, undecidedCodes } from "../schemas/problems.ts";
import { operation, rateLimitHeaders } from "./operation.ts";

/** What a reservation has become. */
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

/** The paths. */
export const reservationPaths: Readonly<Record<string, Part>> = {
  "/api/v1/reservations": {
    post: operation({
      operationId: "reserve",
      tag: "Reservations",
      summary: "Hold units for a while",
      description:
        "All lines or none. The units cannot be sold to others until the hold lapses, 10 minutes later unless it says " +
        "otherwise. Counts as a purchase for the user's limit and quota. An order id has one reservation: another one under " +
        "it is `order_conflict`, and after its end refused with what became of it. `ttl_seconds` is part of the contents.",
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
        description: "The units are held.",
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
      summary: "Make a sale of what is held",
      description:
        "All of it, or the units of `lines`: the rest returns at once. Confirming the same units again gives the first " +
        "answer again. As cancelling and extending, it takes the token that made the reservation, or the scope `admin` as " +
        "well.",
      scope: "deduct",
      parameters: ["order_id", "Traceparent"],
      request: {
        schemas: ["ConfirmRequest"],
        optional: true,
        example: { lines: [{ sku: "SKU_123", amount: 1 }] },
      },
      successes: [{
        status: 200,
        description: "It is a sale.",
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
      summary: "Let go what is held",
      description: "The units can be sold again at once. Repeating it gives the first answer again.",
      scope: "deduct",
      parameters: ["order_id", "Traceparent"],
      request: { schemas: ["CancelRequest"], optional: true, example: {} },
      successes: [{
        status: 200,
        description: "The units are back.",
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
      summary: "Hold them longer",
      description:
        "Until `ttl_seconds` after the reservation was made, four hours at most; never shorter than before, so repeating " +
        "it changes nothing.",
      scope: "deduct",
      parameters: ["order_id", "Traceparent"],
      request: { schemas: ["ExtendRequest"], example: { ttl_seconds: 1200 } },
      successes: [{
        status: 200,
        description: "The units are held until then.",
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
