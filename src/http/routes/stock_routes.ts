/**
 * `/api/v1/inventory/:sku`: look at one SKU, change how many units it has, and how it is sold.
 *
 * @module
 */
import { answerAdjust, answerPause, answerRules, answerSet, answerStock } from "../write/answer_stock.ts";
import type { Route } from "../ports/route.ts";
import type { RouteDependencies } from "./dependencies.ts";
import { ask } from "../ports/observer.ts";
import { parseSku } from "../read/parse.ts";
import { parseAdjust, parsePause, parseRules, parseSet } from "../read/parse_stock.ts";
import { tokensOff } from "./purchase_token_routes.ts";
import { receive } from "./receive.ts";
import { idSegment, optionalBody } from "../read/request.ts";
import { respond } from "../write/response.ts";

const adjustRequest = { scope: "admin", id: parseSku, body: parseAdjust } as const;
const setRequest = { scope: "admin", id: parseSku, body: parseSet } as const;
const pauseRequest = { scope: "admin", id: parseSku, read: optionalBody, body: parsePause } as const;
const rulesRequest = { scope: "admin", id: parseSku, body: parseRules } as const;

/** `GET /api/v1/inventory/:sku`. */
export function readStock({ inventory, access, world }: RouteDependencies): Route {
  return async (request, connection) => {
    const caller = access.admit(request, "read");
    if (caller.kind === "refused") return respond(caller.answer);
    const sku = parseSku(idSegment(request));
    if (sku.kind === "refused") return respond(sku.answer);
    const outcome = await ask(inventory, { kind: "stock", sku: sku.value }, connection.requestRecord);
    return respond(answerStock(outcome, inventory.shardOf(sku.value), world.now()));
  };
}

/** `POST /api/v1/inventory/:sku/adjustments`. */
export function adjustStock(dependencies: RouteDependencies): Route {
  const { inventory, world } = dependencies;
  return async (request, connection) => {
    const received = await receive(dependencies, request, connection, adjustRequest);
    if (received.kind === "refused") return respond(received.answer);
    const { id: sku, body, origin } = received.value;
    const outcome = await ask(inventory, {
      kind: "adjust",
      sku,
      ...body,
      ...origin,
    }, connection.requestRecord);
    return respond(answerAdjust(outcome, sku, body, world.now()));
  };
}

/** `PUT /api/v1/inventory/:sku`: compare-and-set. */
export function setStock(dependencies: RouteDependencies): Route {
  const { inventory, world } = dependencies;
  return async (request, connection) => {
    const received = await receive(dependencies, request, connection, setRequest);
    if (received.kind === "refused") return respond(received.answer);
    const { id: sku, body, origin } = received.value;
    const outcome = await ask(inventory, {
      kind: "set",
      sku,
      ...body,
      ...origin,
    }, connection.requestRecord);
    return respond(answerSet(outcome, sku, body, world.now()));
  };
}

/** `POST /api/v1/inventory/:sku/pause` and `/resume`. */
export function pauseSale(dependencies: RouteDependencies, kind: "pause" | "resume"): Route {
  const { inventory, world } = dependencies;
  return async (request, connection) => {
    const received = await receive(dependencies, request, connection, pauseRequest);
    if (received.kind === "refused") return respond(received.answer);
    const { id: sku, body: { reason }, origin } = received.value;
    const outcome = await ask(inventory, { kind, sku, reason, ...origin }, connection.requestRecord);
    return respond(answerPause(outcome, kind, sku, world.now()));
  };
}

/** `PUT /api/v1/inventory/:sku/rules`. */
export function setRules(dependencies: RouteDependencies): Route {
  const { inventory, purchaseTokens, world } = dependencies;
  return async (request, connection) => {
    const received = await receive(dependencies, request, connection, rulesRequest);
    if (received.kind === "refused") return respond(received.answer);
    const { id: sku, body, origin } = received.value;
    // Nobody could buy the SKU any more.
    if (body.tokenRequired && purchaseTokens === null) return respond(tokensOff);
    const outcome = await ask(
      inventory,
      { kind: "rules", sku, ...body, ...origin },
      connection.requestRecord,
    );
    return respond(answerRules(outcome, sku, body, world.now()));
  };
}
