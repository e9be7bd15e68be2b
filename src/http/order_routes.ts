/**
 * `/api/v1/orders/:order_id`: what became of an order, for a client that lost the answer.
 *
 * @module
 */
import { answerOrder } from "./answer.ts";
import type { Edge, Route } from "./edge.ts";
import { parseOrderId } from "./parse.ts";
import { rawPath } from "./request.ts";
import { respond } from "./response.ts";

/** `GET /api/v1/orders/:order_id`. */
export function readOrder({ inventory, access, world }: Edge): Route {
  return async (request) => {
    const caller = access.admit(request, "read");
    if (caller.kind === "refused") return respond(caller.answer);
    const orderId = parseOrderId(rawPath(request).split("/")[4] ?? "");
    if (orderId.kind === "refused") return respond(orderId.answer);
    const outcome = await inventory.findOrder(orderId.value);
    return respond(answerOrder(outcome, orderId.value, world.now()));
  };
}
