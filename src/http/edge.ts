/**
 * What the routes share.
 *
 * @module
 */
import type { Inventory } from "../inventory/service.ts";
import type { World } from "../world.ts";
import type { Access } from "./access.ts";
import type { Bodies } from "./bodies.ts";
import type { Connection } from "./connection.ts";
import type { FairPlay } from "./fair_play.ts";
import type { PurchaseTokens } from "./purchase_tokens.ts";

/** Answers one request. Only `app.ts` knows the framework that calls it. */
export type Route = (request: Request, connection: Connection) => Response | Promise<Response>;

/** The world as a route sees it. */
export interface Edge {
  /** Decides. */
  readonly inventory: Inventory;
  /** Admits. */
  readonly access: Access;
  /** Reads bodies. */
  readonly bodies: Bodies;
  /** Judges who may ask to buy; null when nothing of it is on. */
  readonly fairPlay: FairPlay | null;
  /** Proxies in front whose word about the client's address is believed. */
  readonly trustedProxies: number;
  /** Issues and judges purchase tokens; null when they are off. */
  readonly purchaseTokens: PurchaseTokens | null;
  /** Tells the time. */
  readonly world: World;
}
