/**
 * The HTTP edge: every route of the API on one screen.
 *
 * @module
 */
import { Hono } from "hono";
import type { Config } from "../config.ts";
import type { Inventory } from "../inventory/service.ts";
import type { World } from "../world.ts";
import { createAccess } from "./access.ts";
import { deduct } from "./deduct_route.ts";
import type { Edge } from "./edge.ts";
import { livez, readyz } from "./health_routes.ts";
import { internalError, notFound } from "./fallback.ts";
import { rawPath } from "./request.ts";
import { adjustStock, readStock } from "./stock_routes.ts";

/** What the edge is made of. */
export interface AppParts {
  readonly inventory: Inventory;
  readonly config: Config;
  readonly world: World;
  /** Told of every error that no route expected; the client is told only that there was one. */
  readonly reportError: (error: unknown) => void;
}

/**
 * The API as one `fetch`. Routes have no middleware in front of them: a chain costs every order
 * MEASURED, and each thing it would do is one line of the route.
 */
export function createApp({ inventory, config, world, reportError }: AppParts): Hono {
  const app = new Hono({ getPath: rawPath });
  const edge: Edge = {
    inventory,
    access: createAccess(config.access),
    world,
  };

  app.post("/api/v1/inventory/deduct", deduct(edge));
  app.get("/api/v1/inventory/:sku", readStock(edge));
  app.post("/api/v1/inventory/:sku/adjustments", adjustStock(edge));

  app.get("/livez", livez());
  app.get("/readyz", readyz(edge));

  app.notFound(notFound(app));
  app.onError(internalError(reportError));
  return app;
}
