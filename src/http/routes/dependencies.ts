/**
 * What the routes share.
 *
 * @module
 */
import type { Inventory } from "../../decide/service.ts";
import type { World } from "../../runtime/world.ts";
import type { Access } from "../guard/access.ts";
import type { Bodies } from "../read/bodies.ts";
import type { FairPlay } from "../guard/fair_play.ts";
import type { PurchaseTokens } from "../guard/purchase_tokens.ts";

/** The world as a route sees it. */
export interface RouteDependencies {
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
