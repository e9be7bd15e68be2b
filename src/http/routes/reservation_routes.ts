/**
 * `/api/v1/reservations`: hold units, then confirm or cancel them.
 *
 * @module
 */
import type { Route } from "../ports/route.ts";
import { parseCancel, parseConfirm, parseExtend, parseOrderId, parseReserve } from "../read/parse.ts";
import { optionalBody } from "../read/request.ts";
import { commandRoute, saleRoute } from "./command_route.ts";
import type { RouteDependencies } from "./dependencies.ts";
import { noId } from "./receive.ts";

const ofOrder = { scope: "deduct", id: parseOrderId } as const;
const reserveRequest = { scope: "deduct", id: noId, body: parseReserve } as const;
const confirmRequest = { ...ofOrder, read: optionalBody, body: parseConfirm } as const;
const cancelRequest = { ...ofOrder, read: optionalBody, body: parseCancel } as const;
const extendRequest = { ...ofOrder, body: parseExtend } as const;

/** `POST /api/v1/reservations`. */
export function reserve(dependencies: RouteDependencies): Route {
  return saleRoute(dependencies, reserveRequest);
}

/** `POST /api/v1/reservations/:order_id/confirm`. */
export function confirm(dependencies: RouteDependencies): Route {
  return commandRoute(
    dependencies,
    confirmRequest,
    ({ id, body, owner, origin }) => ({ kind: "confirm", orderId: id, ...body, owner, ...origin }),
  );
}

/** `POST /api/v1/reservations/:order_id/cancel`. */
export function cancel(dependencies: RouteDependencies): Route {
  return commandRoute(
    dependencies,
    cancelRequest,
    ({ id, owner, origin }) => ({ kind: "cancel", orderId: id, owner, ...origin }),
  );
}

/** `POST /api/v1/reservations/:order_id/extend`: counted from the time of the reservation. */
export function extend(dependencies: RouteDependencies): Route {
  return commandRoute(
    dependencies,
    extendRequest,
    ({ id, body, owner, origin }) => ({ kind: "extend", orderId: id, ...body, owner, ...origin }),
  );
}
