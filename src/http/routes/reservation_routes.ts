/**
 * `/api/v1/reservations`: hold units for a while, then make a sale of them or let them go.
 *
 * @module
 */
import { answerExtend, answerReserve, answerSettle } from "../write/answer.ts";
import type { Route } from "../ports/route.ts";
import type { RouteDependencies } from "./dependencies.ts";
import { refusedFollowUp } from "./follow_up.ts";
import { ask } from "../ports/observer.ts";
import { parseOrderId } from "../read/parse.ts";
import { parseCancel, parseConfirm, parseExtend, parseReserve } from "../read/parse_order.ts";
import { noId, receive } from "./receive.ts";
import { optionalBody } from "../read/request.ts";
import { respond } from "../write/response.ts";
import { attemptOf, sell } from "./sell.ts";

const reserveRequest = { scope: "deduct", id: noId, body: parseReserve } as const;
const confirmRequest = {
  scope: "deduct",
  id: parseOrderId,
  read: optionalBody,
  body: parseConfirm,
} as const;
const cancelRequest = {
  scope: "deduct",
  id: parseOrderId,
  read: optionalBody,
  body: parseCancel,
} as const;
const extendRequest = { scope: "deduct", id: parseOrderId, body: parseExtend } as const;

/** `POST /api/v1/reservations`. */
export function reserve(dependencies: RouteDependencies): Route {
  return async (request, connection) => {
    const received = await receive(dependencies, request, connection, reserveRequest);
    if (received.kind === "refused") return respond(received.answer);
    const { body, origin } = received.value;
    const { orderId, lines } = body;
    const attempt = attemptOf(dependencies, request, connection, origin);
    const answer = await sell(
      dependencies,
      { ...body, kind: "reserve" },
      attempt,
      (outcome, context) => answerReserve(outcome, orderId, lines, context),
    );
    return respond(answer);
  };
}

/** `POST /api/v1/reservations/:order_id/confirm`. */
export function confirm(dependencies: RouteDependencies): Route {
  const { inventory, world } = dependencies;
  return async (request, connection) => {
    const received = await receive(dependencies, request, connection, confirmRequest);
    if (received.kind === "refused") return respond(received.answer);
    const { id: orderId, body: { lines }, origin, owner } = received.value;
    const refused = refusedFollowUp(dependencies, request, connection, orderId);
    if (refused) return respond(refused);
    const outcome = await ask(inventory, {
      kind: "confirm",
      orderId,
      lines,
      owner,
      ...origin,
    }, connection.requestRecord);
    return respond(answerSettle(outcome, "confirm", orderId, world.now()));
  };
}

/** `POST /api/v1/reservations/:order_id/cancel`. */
export function cancel(dependencies: RouteDependencies): Route {
  const { inventory, world } = dependencies;
  return async (request, connection) => {
    const received = await receive(dependencies, request, connection, cancelRequest);
    if (received.kind === "refused") return respond(received.answer);
    const { id: orderId, origin, owner } = received.value;
    const refused = refusedFollowUp(dependencies, request, connection, orderId);
    if (refused) return respond(refused);
    const outcome = await ask(
      inventory,
      { kind: "cancel", orderId, owner, ...origin },
      connection.requestRecord,
    );
    return respond(answerSettle(outcome, "cancel", orderId, world.now()));
  };
}

/** `POST /api/v1/reservations/:order_id/extend`: counted from when the reservation was made. */
export function extend(dependencies: RouteDependencies): Route {
  const { inventory, world } = dependencies;
  return async (request, connection) => {
    const received = await receive(dependencies, request, connection, extendRequest);
    if (received.kind === "refused") return respond(received.answer);
    const { id: orderId, body: { holdMs }, origin, owner } = received.value;
    const refused = refusedFollowUp(dependencies, request, connection, orderId);
    if (refused) return respond(refused);
    const outcome = await ask(
      inventory,
      { kind: "extend", orderId, holdMs, owner, ...origin },
      connection.requestRecord,
    );
    return respond(answerExtend(outcome, orderId, world.now()));
  };
}
