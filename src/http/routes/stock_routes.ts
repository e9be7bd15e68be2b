/**
 * `/api/v1/inventory/:sku`: read a SKU, change its stock and its rules.
 *
 * @module
 */
import { answerStock } from "../write/answer.ts";
import { ask } from "../ports/observer.ts";
import type { Route } from "../ports/route.ts";
import { parseAdjust, parsePause, parseRules, parseSet, parseSku } from "../read/parse.ts";
import { idSegment, optionalBody } from "../read/request.ts";
import { refused, respond } from "../write/response.ts";
import { commandRoute } from "./command_route.ts";
import type { RouteDependencies } from "./dependencies.ts";
import { tokensOff } from "./purchase_token_routes.ts";

const ofSku = { scope: "admin", id: parseSku } as const;
const adjustRequest = { ...ofSku, body: parseAdjust } as const;
const setRequest = { ...ofSku, body: parseSet } as const;
const pauseRequest = { ...ofSku, read: optionalBody, body: parsePause } as const;
const rulesRequest = { ...ofSku, body: parseRules } as const;
/** Without purchase tokens no buyer could buy a SKU that requires one. */
const rulesWithoutTokens = {
  ...ofSku,
  body: (json: unknown) => {
    const rules = parseRules(json);
    return rules.kind === "valid" && rules.value.tokenRequired ? refused(tokensOff) : rules;
  },
} as const;

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
  return commandRoute(dependencies, adjustRequest, ({ id, body, origin }) => (
    { kind: "adjust", sku: id, ...body, ...origin }
  ));
}

/** `PUT /api/v1/inventory/:sku`: compare-and-set. */
export function setStock(dependencies: RouteDependencies): Route {
  return commandRoute(dependencies, setRequest, ({ id, body, origin }) => (
    { kind: "set", sku: id, ...body, ...origin }
  ));
}

/** `POST /api/v1/inventory/:sku/pause` and `/resume`. */
export function pauseSale(dependencies: RouteDependencies, kind: "pause" | "resume"): Route {
  return commandRoute(dependencies, pauseRequest, ({ id, body, origin }) => (
    { kind, sku: id, ...body, ...origin }
  ));
}

/** `PUT /api/v1/inventory/:sku/rules`. */
export function setRules(dependencies: RouteDependencies): Route {
  const expected = dependencies.purchaseTokens === null ? rulesWithoutTokens : rulesRequest;
  return commandRoute(dependencies, expected, ({ id, body, origin }) => (
    { kind: "rules", sku: id, ...body, ...origin }
  ));
}
