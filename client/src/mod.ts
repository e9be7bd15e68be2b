/**
 * The public API of the client.
 *
 * @module
 */
export * from "./client.ts";
export type { Random, Sleep } from "./defaults.ts";
export type * from "./outcome.ts";
export type * from "./stock.ts";
export type {
  AdjustRequest,
  DeductRequest,
  OrderRequest,
  PurchaseTokenRequest,
  ReserveRequest,
  ReturnRequest,
  Sale,
  SetRulesRequest,
  SetStockRequest,
} from "./request.ts";
