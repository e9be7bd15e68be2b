/**
 * What the calls about stock end with when they take effect, and what is known of a SKU.
 *
 * @module
 */

/** A stock change that took effect. */
export interface StockChanged {
  /** The stock is changed. */
  readonly kind: "changed";
  /** The SKU. */
  readonly sku: string;
  /** Units for sale right after the change. */
  readonly available: number;
  /** True = this change made the SKU. */
  readonly created: boolean;
  /** Number of the event in its shard. */
  readonly seq: number;
  /** True = decided by an earlier try; this is its answer again. */
  readonly replayed: boolean;
}

/** A SKU that is paused or sold again. */
export interface PauseChanged {
  /** The SKU is as asked. */
  readonly kind: "paused" | "resumed";
  /** The SKU. */
  readonly sku: string;
  /** Number of the event in its shard. */
  readonly seq: number;
}

/** The rules of a SKU's sale. */
export interface SaleRules {
  /** Sold from then on, RFC 3339; null = no such rule. */
  readonly opensAt: string | null;
  /** Sold until then, RFC 3339; null = no such rule. */
  readonly closesAt: string | null;
  /** Units that a user may buy within the window; null = any number. */
  readonly quota: number | null;
  /** True = a sale needs a purchase token. */
  readonly purchaseToken: boolean;
}

/** Rules that are in force. */
export interface RulesChanged extends SaleRules {
  /** The rules are as asked. */
  readonly kind: "ruled";
  /** The SKU. */
  readonly sku: string;
  /** True = these rules made the SKU, without stock. */
  readonly created: boolean;
  /** The version of the rules: `expected` of the next change. It is the number of the event in its shard. */
  readonly rulesVersion: number;
}

/** What is known of one SKU. */
export interface Stock extends SaleRules {
  /** The SKU is known. */
  readonly kind: "stock";
  /** The SKU. */
  readonly sku: string;
  /** Units for sale. */
  readonly available: number;
  /** Units that are held. */
  readonly reserved: number;
  /** True = paused: not sold until it is resumed. */
  readonly paused: boolean;
  /** The version of the rules, 0 = none were set: `expected` of the next change of them. */
  readonly rulesVersion: number;
}
