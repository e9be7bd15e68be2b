/**
 * What a caller gives, and the JSON that the server gets. Bodies are made member by member: the server refuses
 * members that it does not know, and callers pass objects of their own.
 *
 * @module
 */
import type { Line } from "./outcome.ts";
import type { Call } from "./retry.ts";
import type { SaleRules } from "./stock.ts";

/** What all sales have. */
export interface Sale {
  /** Chosen by the caller and kept: the same id with the same contents takes effect once. */
  readonly orderId: string;
  /** Who buys. */
  readonly userId: string;
  /** The answer to a purchase-token request, for SKUs that ask for one. */
  readonly purchaseToken?: string;
  /** True when an earlier call may have sent this order: then no answer comes from a memory of what was sold out. */
  readonly sentBefore?: boolean;
}

/** Units of one SKU to buy. */
export interface DeductRequest extends Sale, Line {}

/** Several SKUs to buy, all or none. */
export interface OrderRequest extends Sale {
  /** 1..100 lines. */
  readonly lines: readonly Line[];
}

/** Several SKUs to hold, all or none. */
export interface ReserveRequest extends OrderRequest {
  /** How long, 1..14,400 s; 600 s if left out. */
  readonly ttlSeconds?: number;
}

/** Units that come back. */
export interface ReturnRequest {
  /** Chosen by the caller and kept: the same one takes effect once. */
  readonly returnId: string;
  /** 1..100 lines. */
  readonly lines: readonly Line[];
  /** For people. */
  readonly reason?: string;
}

/** A purchase that needs a token. */
export interface PurchaseTokenRequest {
  /** The order that the token is for. */
  readonly orderId: string;
  /** The user that it is for. */
  readonly userId: string;
  /** 1..100 lines: what it buys at most. For a basket, all of its SKUs. */
  readonly lines: readonly Line[];
  /** How long it lasts, 1..600 s; 600 s if left out. */
  readonly ttlSeconds?: number;
}

/** Units to add to a SKU, or to take away. */
export interface AdjustRequest {
  /** Chosen by the caller and kept: the same one takes effect once. */
  readonly adjustmentId: string;
  /** The SKU; `delta` ≥ 0 makes it when it is not known. */
  readonly sku: string;
  /** Units, negative to take away. */
  readonly delta: number;
  /** For people. */
  readonly reason?: string;
  /** A document elsewhere. */
  readonly reference?: string;
}

/** Units that a SKU is to have. */
export interface SetStockRequest extends Omit<AdjustRequest, "delta"> {
  /** Units for sale from now on. */
  readonly available: number;
  /** Units that must be for sale now; null = the SKU has no stock yet. */
  readonly expected: number | null;
}

/** All rules of a SKU's sale: they replace those that it has. */
export interface SetRulesRequest extends SaleRules {
  /** The SKU. */
  readonly sku: string;
  /** `rulesVersion` as last seen, 0 = there were none; null = the SKU must not exist, and is created without stock. */
  readonly expected: number | null;
}

/** A JSON object as the server spells it. */
export type Body = Readonly<Record<string, unknown>>;

/** Headers of a call: of every try, and of the first alone. */
export type CallHeaders = Pick<Call, "headers" | "firstHeaders">;

/** Headers of a sale. */
export function headersOf({ purchaseToken, sentBefore = false }: Sale): CallHeaders {
  return {
    headers: purchaseToken === undefined ? {} : { "purchase-token": purchaseToken },
    firstHeaders: sentBefore ? {} : { "order-attempt": "1" },
  };
}

/** The request as the server spells it. */
export function deductBody({ orderId, userId, sku, amount }: DeductRequest): Body {
  return { sku, user_id: userId, order_id: orderId, amount };
}

/** The request as the server spells it. */
export function basketBody({ orderId, userId, lines }: OrderRequest): Body {
  return { order_id: orderId, user_id: userId, lines: lines.map(plainLine) };
}

/** The request as the server spells it. */
export function reserveBody(request: ReserveRequest): Body {
  return { ...basketBody(request), ttl_seconds: request.ttlSeconds };
}

/** The request as the server spells it. */
export function purchaseTokenBody({ orderId, userId, lines, ttlSeconds }: PurchaseTokenRequest): Body {
  return { order_id: orderId, user_id: userId, lines: lines.map(plainLine), ttl_seconds: ttlSeconds };
}

/** The request as the server spells it. */
export function returnBody({ returnId, lines, reason }: ReturnRequest): Body {
  return { return_id: returnId, lines: lines.map(plainLine), reason };
}

/** The request as the server spells it. */
export function rulesBody({ opensAt, closesAt, quota, purchaseToken, expected }: SetRulesRequest): Body {
  return { opens_at: opensAt, closes_at: closesAt, quota, purchase_token: purchaseToken, expected };
}

/** The request as the server spells it. */
export function plainLine({ sku, amount }: Line): Line {
  return { sku, amount };
}
