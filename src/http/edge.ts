/**
 * What the routes share.
 *
 * @module
 */
import type { Inventory } from "../inventory/service.ts";
import type { World } from "../world.ts";
import type { Access } from "./access.ts";

/** The world as a route sees it. */
export interface Edge {
  readonly inventory: Inventory;
  readonly access: Access;
  readonly world: World;
}
