/**
 * The HTTP edge: every route of the API on one screen.
 *
 * @module
 */
import { type Handler, Hono } from "hono";
import type { Config } from "../config.ts";
import type { Inventory } from "../inventory/service.ts";
import type { World } from "../world.ts";
import { createAccess } from "./access.ts";
import { deductBatch } from "./batch_route.ts";
import type { Connection } from "./connection.ts";
import { withCors } from "./cors.ts";
import { deduct } from "./deduct_route.ts";
import type { Edge, Route } from "./edge.ts";
import { createFairPlay } from "./fair_play.ts";
import { internalError, unrouted } from "./fallback.ts";
import { livez, readyz } from "./health_routes.ts";
import { placeOrder, readOrder, returnUnits } from "./order_routes.ts";
import { issuePurchaseToken } from "./purchase_token_routes.ts";
import { PurchaseTokens } from "./purchase_tokens.ts";
import { rawPath } from "./request.ts";
import { cancel, confirm, extend, reserve } from "./reservation_routes.ts";
import { docsPage } from "./openapi/docs_page.ts";
import { openApiJson } from "./openapi/openapi_route.ts";
import { adjustStock, pauseSale, readStock, setRules, setStock } from "./stock_routes.ts";

/** What the edge is made of. */
export interface AppParts {
  /** Decides what the routes ask. */
  readonly inventory: Inventory;
  /** Says who may ask. */
  readonly config: Config;
  /** Tells the time. */
  readonly world: World;
  /** Told of every error that no route expected; the client is told only that there was one. */
  readonly reportError: (error: unknown) => void;
}

/** The API. */
export interface App {
  /** Answers one request; never rejects. `connection` is what `Deno.serve` tells beside it. */
  readonly fetch: (request: Request, connection?: Connection) => Response | Promise<Response>;
  /** Every route, its path as the router has it: held against the document by a test. */
  readonly routes: readonly { readonly method: string; readonly path: string }[];
}

const methods = ["GET", "POST", "PUT", "PATCH", "DELETE"] as const;

/**
 * Puts the routes together. None has middleware in front of it: Hono's for 405 costs every order 1.3 µs,
 * its limit for bodies 6.5 µs more, and a whole deduct takes 7 µs here. Each check is a line of its route.
 */
export function createApp({ inventory, config, world, reportError }: AppParts): App {
  const app = new Hono<{ Bindings: Connection }>({ getPath: rawPath });
  const edge = createEdge(inventory, config, world);

  app.post("/api/v1/inventory/deduct", on(deduct(edge)));
  app.post("/api/v1/inventory/deduct/batch", on(deductBatch(edge)));

  app.get("/api/v1/inventory/:sku", on(readStock(edge)));
  app.put("/api/v1/inventory/:sku", on(setStock(edge)));
  app.post("/api/v1/inventory/:sku/adjustments", on(adjustStock(edge)));
  app.post("/api/v1/inventory/:sku/pause", on(pauseSale(edge, "pause")));
  app.post("/api/v1/inventory/:sku/resume", on(pauseSale(edge, "resume")));
  app.put("/api/v1/inventory/:sku/rules", on(setRules(edge)));

  app.post("/api/v1/orders", on(placeOrder(edge)));
  app.get("/api/v1/orders/:order_id", on(readOrder(edge)));
  app.post("/api/v1/orders/:order_id/return", on(returnUnits(edge)));

  app.post("/api/v1/reservations", on(reserve(edge)));
  app.post("/api/v1/reservations/:order_id/confirm", on(confirm(edge)));
  app.post("/api/v1/reservations/:order_id/cancel", on(cancel(edge)));
  app.post("/api/v1/reservations/:order_id/extend", on(extend(edge)));

  app.post("/api/v1/purchase-tokens", on(issuePurchaseToken(edge)));

  app.get("/livez", on(livez()));
  app.get("/readyz", on(readyz(edge)));
  app.get("/openapi.json", on(openApiJson()));
  app.get("/docs", on(docsPage()));

  app.notFound((c) =>
    unrouted(methods.filter((method) => app.router.match(method, c.req.path)[0].length > 0))
  );
  app.onError((error) => {
    reportError(error);
    return internalError();
  });
  const fetch: Route = (request, connection) => app.fetch(request, connection);
  const outer = config.corsOrigins === null ? fetch : withCors(config.corsOrigins, fetch);
  const routes = app.routes.map(({ method, path }) => ({ method, path }));
  return { fetch: (request, connection = {}) => outer(request, connection), routes };
}

function createEdge(inventory: Inventory, config: Config, world: World): Edge {
  const { fairPlay, access } = config;
  const { purchaseTokenKeys } = fairPlay;
  return {
    inventory,
    access: createAccess(access),
    fairPlay: createFairPlay(fairPlay, world),
    trustedProxies: fairPlay.trustedProxies,
    purchaseTokens: purchaseTokenKeys === null ? null : new PurchaseTokens(purchaseTokenKeys, world),
    world,
  };
}

function on(route: Route): Handler<{ Bindings: Connection }> {
  return (c) => route(c.req.raw, c.env);
}
