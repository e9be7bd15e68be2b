/**
 * Requests of callers, and their JSON bodies. Bodies are built member by member, because the server refuses unknown
 * members and callers pass their own objects.
 *
 * @module
 */
import type { Line } from "./outcome.ts";
import type { Call } from "./retry.ts";
import type { SaleRules } from "./stock.ts";

/** Members of all sales. */
export interface Sale {
  /** Chosen and stored by the caller: a request with the same id and contents takes effect once. */
  readonly orderId: string;
  /** The buyer. */
  readonly userId: string;
  /** A purchase token, for SKUs that require one. */
  readonly purchaseToken?: string;
  /** True when an earlier call may have sent this order: the server then does not use its sold-out cache. */
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
  /** How long to hold, 1..14,400 s; default 600 s. */
  readonly ttlSeconds?: number;
}

/** Sold units to return. */
export interface ReturnRequest {
  /** Chosen and stored by the caller: a request with the same id takes effect once. */
  readonly returnId: string;
  /** 1..100 lines. */
  readonly lines: readonly Line[];
  /** A sentence for people. */
  readonly reason?: string;
}

/** A purchase that requires a token. */
export interface PurchaseTokenRequest {
  /** The order. */
  readonly orderId: string;
  /** The buyer. */
  readonly userId: string;
  /** 1..100 lines: the maximum per SKU. For a basket, all of its SKUs. */
  readonly lines: readonly Line[];
  /** How long the token is valid, 1..600 s; default 600 s. */
  readonly ttlSeconds?: number;
}

/** Units to add to a SKU, or to remove. */
export interface AdjustRequest {
  /** Chosen and stored by the caller: a request with the same id takes effect once. */
  readonly adjustmentId: string;
  /** The SKU; `delta` ≥ 0 creates it when it is unknown. */
  readonly sku: string;
  /** Units; negative to remove. */
  readonly delta: number;
  /** A sentence for people. */
  readonly reason?: string;
  /** A reference to another system. */
  readonly reference?: string;
}

/** The new number of available units of a SKU. */
export interface SetStockRequest extends Omit<AdjustRequest, "delta"> {
  /** Available units afterwards. */
  readonly available: number;
  /** Current number of available units; null = the SKU has no stock yet. */
  readonly expected: number | null;
}

/** All rules of a SKU's sale; they replace the current ones. */
export interface SetRulesRequest extends SaleRules {
  /** The SKU. */
  readonly sku: string;
  /** Current `rulesVersion`, 0 = no rules; null = the SKU must not exist, and is created without stock. */
  readonly expected: number | null;
}

/** A JSON object in the server's spelling. */
export type Body = Readonly<Record<string, unknown>>;

/** Headers of a call: of every attempt, and of the first only. */
export type CallHeaders = Pick<Call, "headers" | "firstHeaders">;

/** Headers of a sale. */
export function headersOf({ purchaseToken, sentBefore = false }: Sale): CallHeaders {
  return {
    headers: purchaseToken === undefined ? {} : { "purchase-token": purchaseToken },
    firstHeaders: sentBefore ? {} : { "order-attempt": "1" },
  };
}

/** The body of a deduct. */
export function deductBody({ orderId, userId, sku, amount }: DeductRequest): Body {
  return { sku, user_id: userId, order_id: orderId, amount };
}

/** The body of a basket. */
export function basketBody({ orderId, userId, lines }: OrderRequest): Body {
  return { order_id: orderId, user_id: userId, lines: lines.map(plainLine) };
}

/** The body of a reservation. */
export function reserveBody(request: ReserveRequest): Body {
  return { ...basketBody(request), ttl_seconds: request.ttlSeconds };
}

/** The body of a request for a purchase token. */
export function purchaseTokenBody({ orderId, userId, lines, ttlSeconds }: PurchaseTokenRequest): Body {
  return { order_id: orderId, user_id: userId, lines: lines.map(plainLine), ttl_seconds: ttlSeconds };
}

/** The body of a return. */
export function returnBody({ returnId, lines, reason }: ReturnRequest): Body {
  return { return_id: returnId, lines: lines.map(plainLine), reason };
}

/** The body of new rules. */
export function rulesBody({ opensAt, closesAt, quota, purchaseToken, expected }: SetRulesRequest): Body {
  return { opens_at: opensAt, closes_at: closesAt, quota, purchase_token: purchaseToken, expected };
}

/** A line in the server's spelling. */
export function plainLine({ sku, amount }: Line): Line {
  return { sku, amount };
}
