/**
 * The HTTP API: every route on one screen.
 *
 * @module
 */
import { type Handler, Hono } from "hono";
import type { Config } from "../runtime/settings/config.ts";
import type { Inventory } from "../decide/service.ts";
import { Board } from "../live/board.ts";
import type { ProgressSource } from "../live/ledger_lag.ts";
import type { World } from "../runtime/world.ts";
import { createAccess } from "./guard/access.ts";
import { deductBatch } from "./routes/batch_route.ts";
import { Bodies } from "./read/bodies.ts";
import type { Connection } from "./ports/route.ts";
import { withCors } from "./guard/cors.ts";
import { deduct } from "./routes/deduct_route.ts";
import type { Route } from "./ports/route.ts";
import type { RouteDependencies } from "./routes/dependencies.ts";
import { createFairPlay } from "./guard/fair_play.ts";
import { internalError, unrouted } from "./routes/fallback.ts";
import { type RequestObserver, RequestRecord } from "./ports/observer.ts";
import { livez, readyz } from "./routes/health_routes.ts";
import { placeOrder, readOrder, returnUnits } from "./routes/order_routes.ts";
import { opsPage, opsStream } from "./routes/ops_routes.ts";
import { LiveObserver } from "./routes/live_observer.ts";
import { issuePurchaseToken } from "./routes/purchase_token_routes.ts";
import { PurchaseTokens } from "./guard/purchase_tokens.ts";
import { callerSpan } from "./guard/caller_span.ts";
import { rawPath } from "./read/request.ts";
import { cancel, confirm, extend, reserve } from "./routes/reservation_routes.ts";
import { docsPage } from "./openapi/docs_page.ts";
import { openApiJson } from "./openapi/openapi_route.ts";
import { adjustStock, pauseSale, readStock, setRules, setStock } from "./routes/stock_routes.ts";

/** Dependencies of the API. */
export interface AppParts {
  readonly inventory: Inventory;
  readonly config: Config;
  readonly world: World;
  /**
   * Called with every error that no route handles; the client receives only a 500. `traceparent` is that of the
   * request; empty without an observer.
   */
  readonly reportError: (error: unknown, traceparent: string) => void;
  /** Observers of requests; none by default. */
  readonly observers?: readonly RequestObserver[];
  /** The deployment id, part of purchase tokens; null until it is known. */
  readonly deployment: () => string | null;
  /** The progress of the ledger; null = this process has no ledger. */
  readonly ledger?: ProgressSource | null;
}

export interface App {
  /** Handles one request; never rejects. `connection` is the second argument of a `Deno.serve` handler. */
  readonly fetch: (request: Request, connection?: Connection) => Response | Promise<Response>;
  /** All routes, with the path as the router has it. A test compares them with the OpenAPI document. */
  readonly routes: readonly { readonly method: string; readonly path: string }[];
  /** Ends bodies that exceeded their time limit. Call it a few times a second. */
  readonly sweep: () => void;
  /** Ends open streams and incomplete bodies, because a server shuts down only after its last response. */
  readonly stop: () => void;
  /**
   * From now on `/readyz` returns 503, so that a load balancer sends new requests elsewhere. All other routes
   * work.
   */
  readonly drain: () => void;
}

/** An order has 150 bytes: 5 s correspond to 240 bit/s. */
const bodyTimeoutMs = 5000;
const deductPath = "/api/v1/inventory/deduct";
const methods = ["GET", "POST", "PUT", "PATCH", "DELETE"] as const;

/**
 * Registers the routes. There is no middleware: Hono's for 405 costs 1.3 µs per order and its body limit
 * another 6.5 µs, while a whole deduct takes 7 µs here. Each check is a line of its route.
 */
export function createApp(parts: AppParts): App {
  const { inventory, config, world, reportError, observers = [], ledger = null } = parts;
  const board = new Board({ inventory, ledger, shards: config.shards, world });
  const app = new Hono<{ Bindings: Connection }>({ getPath: rawPath });
  const bodies = new Bodies(world, bodyTimeoutMs);
  const draining = { begun: false };
  const dependencies = createDependencies(parts, bodies);
  const get = (path: string, route: Route) => app.get(path, on(`GET ${path}`, route));
  const post = (path: string, route: Route) => app.post(path, on(`POST ${path}`, route));
  const put = (path: string, route: Route) => app.put(path, on(`PUT ${path}`, route));

  const failed = (error: unknown, connection: Connection) => {
    reportError(error, connection.requestRecord?.traceparent ?? "");
    return internalError();
  };
  const deductRoute = deduct(dependencies, failed);
  post(deductPath, deductRoute);
  post("/api/v1/inventory/deduct/batch", deductBatch(dependencies));

  get("/api/v1/inventory/:sku", exceptDeduct(readStock(dependencies)));
  put("/api/v1/inventory/:sku", exceptDeduct(setStock(dependencies)));
  post("/api/v1/inventory/:sku/adjustments", adjustStock(dependencies));
  post("/api/v1/inventory/:sku/pause", pauseSale(dependencies, "pause"));
  post("/api/v1/inventory/:sku/resume", pauseSale(dependencies, "resume"));
  put("/api/v1/inventory/:sku/rules", setRules(dependencies));

  post("/api/v1/orders", placeOrder(dependencies));
  get("/api/v1/orders/:order_id", readOrder(dependencies));
  post("/api/v1/orders/:order_id/return", returnUnits(dependencies));

  post("/api/v1/reservations", reserve(dependencies));
  post("/api/v1/reservations/:order_id/confirm", confirm(dependencies));
  post("/api/v1/reservations/:order_id/cancel", cancel(dependencies));
  post("/api/v1/reservations/:order_id/extend", extend(dependencies));

  post("/api/v1/purchase-tokens", issuePurchaseToken(dependencies));

  get("/livez", livez());
  get("/readyz", readyz(dependencies, draining));
  get("/openapi.json", openApiJson());
  get("/docs", docsPage());
  get("/ops", opsPage());
  get("/ops/stream", opsStream(dependencies, board));

  app.notFound(({ req: { path } }) =>
    path === deductPath
      ? unrouted(["POST"])
      : unrouted(methods.filter((method) => app.router.match(method, path)[0].length > 0))
  );
  app.onError((error, c) => failed(error, c.env));
  const fetch = deductsFirst(deductRoute, (request, connection) => app.fetch(request, connection));
  const plain = observers.length === 0 ? fetch : observed(observers, dependencies, fetch);
  const live = observed([...observers, new LiveObserver(board, inventory)], dependencies, fetch);
  const chosen: Route = (request, connection) => (board.isWatched ? live : plain)(request, connection);
  const outer = config.corsOrigins === null ? chosen : withCors(config.corsOrigins, chosen);
  const routes = app.routes.map(({ method, path }) => ({ method, path }));
  return {
    fetch: (request, connection = {}) => outer(request, connection),
    routes,
    sweep: () => bodies.sweep(),
    drain: () => draining.begun = true,
    stop: () => {
      board.close();
      bodies.stop();
    },
  };
}

function createDependencies(
  { inventory, config, world, deployment }: AppParts,
  bodies: Bodies,
): RouteDependencies {
  const { fairPlay, access } = config;
  const { purchaseTokenKeys } = fairPlay;
  return {
    inventory,
    access: createAccess(access),
    bodies,
    fairPlay: createFairPlay(fairPlay, world),
    trustedProxies: fairPlay.trustedProxies,
    purchaseTokens: purchaseTokenKeys && new PurchaseTokens(purchaseTokenKeys, deployment, world),
    world,
  };
}

/**
 * A route of a SKU. The raw path of a deduct matches too and is excluded; a SKU named `deduct` is `%64educt`
 * there.
 */
function exceptDeduct(route: Route): Route {
  return (request, connection) =>
    rawPath(request) === deductPath ? unrouted(["POST"]) : route(request, connection);
}

/** One string for all requests: a counter's look-up hashes it once. */
const deductRouteName = `POST ${deductPath}`;

/** Nearly every request is a deduct. Past the router it costs the API 0.91 × of the CPU (docs/performance.md). */
function deductsFirst(deductRoute: Route, others: Route): Route {
  return (request, connection) => {
    if (request.method !== "POST" || rawPath(request) !== deductPath) return others(request, connection);
    if (connection.requestRecord !== undefined) connection.requestRecord.route = deductRouteName;
    return deductRoute(request, connection);
  };
}

function on(name: string, route: Route): Handler<{ Bindings: Connection }> {
  return (c) => {
    const { requestRecord } = c.env;
    if (requestRecord !== undefined) requestRecord.route = name;
    return route(c.req.raw, c.env);
  };
}

function observed(
  observers: readonly RequestObserver[],
  dependencies: RouteDependencies,
  fetch: Route,
): Route {
  const { world } = dependencies;
  const ended = (record: RequestRecord, response: Response): Response => {
    record.endMs = world.elapsedMs();
    record.status = response.status;
    for (const observer of observers) observer.end(record);
    return response;
  };
  // Not an async function: its own promise costs a request 0.3 µs.
  return (request, connection) => {
    const record = new RequestRecord(
      request,
      connection,
      callerSpan(request, dependencies),
      world.elapsedMs(),
    );
    for (const observer of observers) observer.begin?.(record);
    const response = fetch(request, record);
    return response instanceof Response
      ? ended(record, response)
      : response.then((made) => ended(record, made));
  };
}
