/**
 * Dependencies shared by the routes.
 *
 * @module
 */
import type { Inventory } from "../../decide/service.ts";
import type { World } from "../../runtime/world.ts";
import type { Access } from "../guard/access.ts";
import type { Bodies } from "../read/bodies.ts";
import type { FairPlay } from "../guard/fair_play.ts";
import type { PurchaseTokens } from "../guard/purchase_tokens.ts";

export interface RouteDependencies {
  readonly inventory: Inventory;
  readonly access: Access;
  readonly bodies: Bodies;
  /** Block list and rate limit; null when both are off. */
  readonly fairPlay: FairPlay | null;
  /** Number of proxies whose X-Forwarded-For entries are trusted. */
  readonly trustedProxies: number;
  /** Null when purchase tokens are off. */
  readonly purchaseTokens: PurchaseTokens | null;
  readonly world: World;
}
