/**
 * `/api/v1/orders`: buy several SKUs at once, look what became of an order, give units back.
 *
 * @module
 */
import type { Return } from "../inventory/command.ts";
import type { Inventory } from "../inventory/service.ts";
import type { OrderOutcome, Outcome } from "../inventory/outcome.ts";
import { answerBasket, answerOrder, answerReturn } from "./answer.ts";
import type { Edge, Route } from "./edge.ts";
import { ask, type Journey } from "./journey.ts";
import { parseOrderId } from "./parse.ts";
import { parseBasket, parseReturn } from "./parse_order.ts";
import { noId, receive } from "./receive.ts";
import { idSegment } from "./request.ts";
import { respond } from "./response.ts";
import { attemptOf, sell } from "./sell.ts";

const basketRequest = { scope: "deduct", id: noId, body: parseBasket } as const;
const returnRequest = { scope: "deduct", id: parseOrderId, body: parseReturn } as const;

/** `POST /api/v1/orders`: all lines or none. */
export function placeOrder(edge: Edge): Route {
  return async (request, connection) => {
    const received = await receive(edge.access, request, connection, basketRequest);
    if (received.kind === "refused") return respond(received.answer);
    const { body, origin } = received.value;
    const { orderId, lines } = body;
    const attempt = attemptOf(edge, request, connection, origin);
    const answer = await sell(
      edge,
      { ...body, kind: "order", holdMs: 0 },
      attempt,
      (outcome, context) => answerBasket(outcome, orderId, lines, context),
    );
    return respond(answer);
  };
}

/** `GET /api/v1/orders/:order_id`: for a client that lost the answer, too. */
export function readOrder({ inventory, access, world }: Edge): Route {
  return async (request) => {
    const caller = access.admit(request, "read");
    if (caller.kind === "refused") return respond(caller.answer);
    const orderId = parseOrderId(idSegment(request));
    if (orderId.kind === "refused") return respond(orderId.answer);
    const outcome = await inventory.findOrder(orderId.value);
    return respond(answerOrder(outcome, orderId.value, world.now()));
  };
}

/** `POST /api/v1/orders/:order_id/return`. */
export function returnUnits({ inventory, access, world }: Edge): Route {
  return async (request, connection) => {
    const received = await receive(access, request, connection, returnRequest);
    if (received.kind === "refused") return respond(received.answer);
    const { id: orderId, body, origin } = received.value;
    const outcome = await giveBack(inventory, connection.journey, {
      kind: "return",
      orderId,
      returnId: body.returnId,
      lines: body.lines,
      reason: body.reason,
      sold: null,
      ...origin,
    });
    return respond(answerReturn(outcome, orderId, body, world.now()));
  };
}

/** A store forgets orders after the window, but units come back later than that: the ledger knows them. */
async function giveBack(
  inventory: Inventory,
  journey: Journey | undefined,
  asked: Return,
): Promise<Outcome> {
  const outcome = await ask(inventory, asked, journey);
  if (outcome.kind !== "unknown_order") return outcome;
  const found: OrderOutcome = await inventory.findOrder(asked.orderId);
  if (found.kind !== "order_found") return found;
  if (found.lines.length === 0) return outcome;
  // The shard's own lines: it remembers what it is told, and another's would be found twice from then on.
  const [first] = asked.lines;
  const shard = first && inventory.shardOf(first.sku);
  const sold = found.lines.filter(({ sku }) => inventory.shardOf(sku) === shard);
  return await ask(inventory, { ...asked, sold }, journey);
}
