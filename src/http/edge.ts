/**
 * What the routes share.
 *
 * @module
 */
import type { Inventory } from "../inventory/service.ts";
import type { World } from "../world.ts";
import type { Access } from "./access.ts";

/** Answers one request. Only `app.ts` knows the framework that calls it. */
export type Route = (request: Request) => Response | Promise<Response>;

/** The world as a route sees it. */
export interface Edge {
  /** Decides. */
  readonly inventory: Inventory;
  /** Admits. */
  readonly access: Access;
  /** Tells the time. */
  readonly world: World;
}
