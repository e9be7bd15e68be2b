/**
 * `/api/v1/orders`: sell several SKUs at once, read an order, return units.
 *
 * @module
 */
import { answerOrder } from "../write/answer.ts";
import type { Route } from "../ports/route.ts";
import { parseBasket, parseOrderId, parseReturn } from "../read/parse.ts";
import { idSegment } from "../read/request.ts";
import { respond } from "../write/response.ts";
import { commandRoute, refusedFollowUp, saleRoute } from "./command_route.ts";
import type { RouteDependencies } from "./dependencies.ts";
import { noId } from "./receive.ts";

const basketRequest = { scope: "deduct", id: noId, body: parseBasket } as const;
const returnRequest = { scope: "return", id: parseOrderId, body: parseReturn } as const;

/** `POST /api/v1/orders`: all lines or none. */
export function placeOrder(dependencies: RouteDependencies): Route {
  return saleRoute(dependencies, basketRequest);
}

/** `GET /api/v1/orders/:order_id`: also for a client that lost the response. */
export function readOrder(dependencies: RouteDependencies): Route {
  const { inventory, access, world } = dependencies;
  return async (request, connection) => {
    const caller = access.admit(request, "read");
    if (caller.kind === "refused") return respond(caller.answer);
    const orderId = parseOrderId(idSegment(request));
    if (orderId.kind === "refused") return respond(orderId.answer);
    const refused = refusedFollowUp(dependencies, request, connection, orderId.value);
    if (refused) return respond(refused);
    const outcome = await inventory.findOrder(orderId.value);
    return respond(answerOrder(outcome, orderId.value, world.now()));
  };
}

/** `POST /api/v1/orders/:order_id/return`. */
export function returnUnits(dependencies: RouteDependencies): Route {
  return commandRoute(dependencies, returnRequest, ({ id, body, owner, origin }) => (
    { kind: "return", orderId: id, ...body, ledger: null, owner, ...origin }
  ));
}
