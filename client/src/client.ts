/**
 * A client for browsers, Node and Deno. Its only requirement is `fetch`. Calls never reject because of the network or
 * the server: the type of their result has all cases.
 *
 * @module
 */
import { type Random, realRandom, realSleep, type Sleep } from "./defaults.ts";
import { sendBatch } from "./batch.ts";
import type {
  BatchDecided,
  DeductAccepted,
  Extended,
  Line,
  OrderAccepted,
  OrderFound,
  PurchaseTokenIssued,
  Refused,
  ReserveAccepted,
  ReturnAccepted,
  Settled,
  Unavailable,
  Unknown,
  UnknownChange,
} from "./outcome.ts";
import {
  readDeduct,
  readExtended,
  readFound,
  readOrder,
  readPauseChanged,
  readPurchaseToken,
  readRefused,
  readReserve,
  readReturn,
  readRulesChanged,
  readSettled,
  readStock,
  readStockChanged,
} from "./read.ts";
import {
  type AdjustRequest,
  basketBody,
  type Body,
  type CallHeaders,
  deductBody,
  type DeductRequest,
  headersOf,
  type OrderRequest,
  plainLine,
  purchaseTokenBody,
  type PurchaseTokenRequest,
  reserveBody,
  type ReserveRequest,
  returnBody,
  type ReturnRequest,
  rulesBody,
  type SetRulesRequest,
  type SetStockRequest,
} from "./request.ts";
import { type Answer, type Call, type RetryOptions, send } from "./retry.ts";
import type { PauseChanged, RulesChanged, Stock, StockChanged } from "./stock.ts";

/** Address of the server, and limits of the client. */
export interface ClientOptions {
  /** Address of the API, e.g. `https://shop.example`; a path prefix of `/api` is preserved. */
  readonly baseUrl: string;
  /** The bearer token; undefined where access is open. */
  readonly token?: string;
  /** Sends one request; default: the global `fetch`. */
  readonly fetch?: (url: string, init: RequestInit) => Promise<Response>;
  /** Uniform in [0, 1), spreads the waits between tries. */
  readonly random?: Random;
  /** Waits; must end early when its signal aborts. */
  readonly sleep?: Sleep;
  /** Attempts per call, default 5: 0 to 1.5 s of waiting, in addition to the waits that the server requests. */
  readonly attemptsMax?: number;
  /** Time limit of one attempt, default 5000 ms. The server itself responds after 2000 ms when it cannot decide. */
  readonly timeoutMs?: number;
}

/** The operations of the API. */
export interface Client {
  /** Sells units of one SKU. */
  deduct(request: DeductRequest): Promise<DeductAccepted | Refused | Unknown>;
  /** Sells several SKUs, all or none. */
  order(request: OrderRequest): Promise<OrderAccepted | Refused | Unknown>;
  /** Holds units for a limited time. */
  reserve(request: ReserveRequest): Promise<ReserveAccepted | Refused | Unknown>;
  /** Sells held units: those of `lines`, default all; the rest becomes available again. */
  confirm(orderId: string, lines?: readonly Line[]): Promise<Settled | Refused | Unknown>;
  /** Releases held units. */
  cancel(orderId: string): Promise<Settled | Refused | Unknown>;
  /** Extends the hold to `ttlSeconds` after the time of the reservation. */
  extend(orderId: string, ttlSeconds: number): Promise<Extended | Refused | Unknown>;
  /** Returns sold units. Needs the scope `return`. */
  giveBack(orderId: string, request: ReturnRequest): Promise<ReturnAccepted | Refused | Unknown>;
  /** Reads an order; `unknown_order` is final once its deadline has passed. */
  findOrder(orderId: string): Promise<OrderFound | Refused | Unavailable>;
  /** Sells 1..1000 items, each decided independently, in one request. Items cannot have purchase tokens. */
  deductBatch(items: readonly Omit<DeductRequest, "purchaseToken">[]): Promise<BatchDecided | Refused>;
  /** Issues a purchase token for one order of one user. Needs the scope `tokens`. */
  issuePurchaseToken(request: PurchaseTokenRequest): Promise<PurchaseTokenIssued | Refused | Unavailable>;
  /** Adds units to a SKU, or removes them. Needs the scope `admin`. */
  adjust(request: AdjustRequest): Promise<StockChanged | Refused | UnknownChange>;
  /** Sets the units of a SKU if the current number is as expected. Needs the scope `admin`. */
  setStock(request: SetStockRequest): Promise<StockChanged | Refused | UnknownChange>;
  /** Pauses the sale of a SKU. Needs the scope `admin`. */
  pause(sku: string, reason?: string): Promise<PauseChanged | Refused | UnknownChange>;
  /** Resumes the sale of a SKU. Needs the scope `admin`. */
  resume(sku: string, reason?: string): Promise<PauseChanged | Refused | UnknownChange>;
  /**
   * Replaces the rules of a SKU's sale if the current version is as expected (`stock` returns it), else `stale`.
   * Needs the scope `admin`. Sending the same rules again is accepted.
   */
  setRules(request: SetRulesRequest): Promise<RulesChanged | Refused | UnknownChange>;
  /** Reads the stock of a SKU and the rules of its sale. */
  stock(sku: string): Promise<Stock | Refused | Unavailable>;
}

/** Creates a client; it sends nothing before the first call. */
export function createClient(options: ClientOptions): Client {
  const calls = createCalls(options);
  const { ask, batch } = calls;
  const change = async <Value>(
    path: string,
    orderId: string,
    body: Body,
    read: (answer: Answer) => Value,
    headers = noHeaders,
  ) => {
    const result = await calls.change("POST", path, body, read, headers);
    return isUnknown(result) ? { ...result, orderId } : result;
  };
  const keep = async <Value>(
    method: "POST" | "PUT",
    sku: string,
    what: string,
    body: Body,
    read: (answer: Answer) => Value,
  ) => {
    const result = await calls.change(
      method,
      `/inventory/${encodeURIComponent(sku)}${what}`,
      body,
      read,
      noHeaders,
    );
    return isUnknown(result) ? { ...result, sku } : result;
  };
  const reservation = (orderId: string, what: string) =>
    `/reservations/${encodeURIComponent(orderId)}/${what}`;
  return {
    deduct: (request) =>
      change("/inventory/deduct", request.orderId, deductBody(request), readDeduct, headersOf(request)),
    order: (request) =>
      change("/orders", request.orderId, basketBody(request), readOrder, headersOf(request)),
    reserve: (request) =>
      change("/reservations", request.orderId, reserveBody(request), readReserve, headersOf(request)),
    confirm: (orderId, lines) =>
      change(reservation(orderId, "confirm"), orderId, { lines: lines?.map(plainLine) }, readSettled),
    cancel: (orderId) => change(reservation(orderId, "cancel"), orderId, {}, readSettled),
    extend: (orderId, ttlSeconds) =>
      change(reservation(orderId, "extend"), orderId, { ttl_seconds: ttlSeconds }, readExtended),
    giveBack: (orderId, request) =>
      change(`/orders/${encodeURIComponent(orderId)}/return`, orderId, returnBody(request), readReturn),
    findOrder: (orderId) => ask(`/orders/${encodeURIComponent(orderId)}`, readFound),
    issuePurchaseToken: (request) => ask("/purchase-tokens", readPurchaseToken, purchaseTokenBody(request)),
    deductBatch: (items) => batch("/inventory/deduct/batch", items),
    adjust: ({ sku, adjustmentId, delta, reason, reference }) =>
      keep(
        "POST",
        sku,
        "/adjustments",
        { adjustment_id: adjustmentId, delta, reason, reference },
        readStockChanged,
      ),
    setStock: ({ sku, adjustmentId, available, expected, reason, reference }) =>
      keep(
        "PUT",
        sku,
        "",
        { adjustment_id: adjustmentId, available, expected, reason, reference },
        readStockChanged,
      ),
    pause: (sku, reason) => keep("POST", sku, "/pause", { reason }, readPauseChanged),
    resume: (sku, reason) => keep("POST", sku, "/resume", { reason }, readPauseChanged),
    setRules: (request) => keep("PUT", request.sku, "/rules", rulesBody(request), readRulesChanged),
    stock: (sku) => ask(`/inventory/${encodeURIComponent(sku)}`, readStock),
  };
}

/** A change without a decision, before the call adds its id. */
type Undecided = Omit<Unknown, "orderId">;
const noHeaders: CallHeaders = { headers: {}, firstHeaders: {} };

function isUnknown<Value>(result: Value | Refused | Undecided): result is Undecided {
  return (result as { kind?: unknown }).kind === "unknown";
}

/** The kinds of calls: a change, whose outcome may be unknown; a read, which changes nothing; a batch of changes. */
function createCalls(options: ClientOptions) {
  const retry = retryOptions(options);
  const root = `${options.baseUrl.replace(/\/+$/, "")}/api/v1`;
  const always: Record<string, string> = { accept: "application/json" };
  if (options.token !== undefined) always.authorization = `Bearer ${options.token}`;
  const sendsJson = { ...always, "content-type": "application/json" };
  return {
    async change<Value>(
      method: "POST" | "PUT",
      path: string,
      contents: Body,
      read: (answer: Answer) => Value,
      { headers, firstHeaders }: CallHeaders,
    ): Promise<Value | Refused | Undecided> {
      const body = JSON.stringify(contents);
      const call = { method, url: root + path, headers: { ...sendsJson, ...headers }, firstHeaders, body };
      const result = await send<Value>(call, read, retry);
      if (result.kind === "decided") return result.value;
      if (result.kind === "refused") return readRefused(result.answer, result.afterUnknown);
      return result;
    },
    async ask<Value>(
      path: string,
      read: (answer: Answer) => Value,
      contents?: Body,
    ): Promise<Value | Refused | Unavailable> {
      const request = contents === undefined
        ? { method: "GET", headers: always, body: null } as const
        : { method: "POST", headers: sendsJson, body: JSON.stringify(contents) } as const;
      const call: Call = { ...request, url: root + path, firstHeaders: {} };
      const result = await send<Value>(call, read, retry);
      if (result.kind === "decided") return result.value;
      // A lost read changed nothing, so nothing is in doubt.
      if (result.kind === "refused") return readRefused(result.answer);
      return { kind: "unavailable", cause: result.cause };
    },
    batch(path: string, items: readonly DeductRequest[]): Promise<BatchDecided | Refused> {
      const sentBefore = items.some((item) => item.sentBefore === true);
      const firstHeaders: Record<string, string> = sentBefore ? {} : { "order-attempt": "1" };
      return sendBatch({
        call: { method: "POST", url: root + path, headers: sendsJson, firstHeaders },
        items: items.map((item) => ({ orderId: item.orderId, body: deductBody(item) })),
      }, retry);
    },
  };
}

function retryOptions({ attemptsMax = 5, timeoutMs = 5000, ...options }: ClientOptions): RetryOptions {
  requirePositive("attemptsMax", attemptsMax);
  requirePositive("timeoutMs", timeoutMs);
  return {
    // Read at each call, and called without `this`: a browser's fetch must not be called as a method.
    fetch: options.fetch ?? ((url, init) => fetch(url, init)),
    random: options.random ?? realRandom,
    sleep: options.sleep ?? realSleep,
    attemptsMax,
    timeoutMs,
  };
}

function requirePositive(name: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 1) {
    throw new RangeError(
      `Cannot make a client: ${name} must be a positive integer, current value is ${value}`,
    );
  }
}
