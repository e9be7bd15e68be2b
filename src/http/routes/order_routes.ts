/**
 * `/api/v1/orders`: buy several SKUs at once, look what became of an order, give units back.
 *
 * @module
 */
import { answerBasket, answerOrder, answerReturn } from "../write/answer.ts";
import type { Route } from "../ports/route.ts";
import type { RouteDependencies } from "./dependencies.ts";
import { refusedFollowUp } from "./follow_up.ts";
import { ask } from "../ports/observer.ts";
import { parseOrderId } from "../read/parse.ts";
import { parseBasket, parseReturn } from "../read/parse_order.ts";
import { noId, receive } from "./receive.ts";
import { idSegment } from "../read/request.ts";
import { respond } from "../write/response.ts";
import { attemptOf, sell } from "./sell.ts";

const basketRequest = { scope: "deduct", id: noId, body: parseBasket } as const;
const returnRequest = { scope: "return", id: parseOrderId, body: parseReturn } as const;

/** `POST /api/v1/orders`: all lines or none. */
export function placeOrder(dependencies: RouteDependencies): Route {
  return async (request, connection) => {
    const received = await receive(dependencies, request, connection, basketRequest);
    if (received.kind === "refused") return respond(received.answer);
    const { body, origin } = received.value;
    const { orderId, lines } = body;
    const attempt = attemptOf(dependencies, request, connection, origin);
    const answer = await sell(
      dependencies,
      { ...body, kind: "order", holdMs: 0 },
      attempt,
      (outcome, context) => answerBasket(outcome, orderId, lines, context),
    );
    return respond(answer);
  };
}

/** `GET /api/v1/orders/:order_id`: for a client that lost the answer, too. */
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
  const { inventory, world } = dependencies;
  return async (request, connection) => {
    const received = await receive(dependencies, request, connection, returnRequest);
    if (received.kind === "refused") return respond(received.answer);
    const { id: orderId, body, origin, owner } = received.value;
    const refused = refusedFollowUp(dependencies, request, connection, orderId);
    if (refused) return respond(refused);
    const outcome = await ask(inventory, {
      kind: "return",
      orderId,
      returnId: body.returnId,
      lines: body.lines,
      reason: body.reason,
      ledger: null,
      owner,
      ...origin,
    }, connection.requestRecord);
    return respond(answerReturn(outcome, orderId, body, world.now()));
  };
}
