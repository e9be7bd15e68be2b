/**
 * A client for browsers, Node and Deno: it needs nothing but `fetch`. Calls never reject because of the network
 * or the server: what can happen is in the type of what they resolve to.
 *
 * @module
 */
import { type Random, realRandom, realSleep, type Sleep } from "./defaults.ts";
import type {
  DeductAccepted,
  Extended,
  Line,
  OrderAccepted,
  OrderFound,
  Refused,
  ReserveAccepted,
  ReturnAccepted,
  Settled,
  Stock,
  Unavailable,
  Unknown,
} from "./outcome.ts";
import {
  readDeduct,
  readExtended,
  readFound,
  readOrder,
  readRefused,
  readReserve,
  readReturn,
  readSettled,
  readStock,
} from "./read.ts";
import { type Answer, type Call, type RetryOptions, send } from "./retry.ts";

/** Where the server is, and how patient the client is. */
export interface ClientOptions {
  /** Where the API is, e.g. `https://shop.example`; a path in front of `/api` is kept. */
  readonly baseUrl: string;
  /** The bearer token; leave it out where access is open. */
  readonly token?: string;
  /** Sends one request; the global `fetch` if left out. */
  readonly fetch?: (url: string, init: RequestInit) => Promise<Response>;
  /** Uniform in [0, 1), spreads the waits between tries. */
  readonly random?: Random;
  /** Waits; must end early when its signal aborts. */
  readonly sleep?: Sleep;
  /** Tries of one call, 5 if left out: 0 to 1.5 s of waiting, beside what the server asks for. */
  readonly attemptsMax?: number;
  /** How long one try may take, 5000 ms if left out: the server says itself after 2000 ms that it cannot tell. */
  readonly timeoutMs?: number;
}

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

/** The calls. */
export interface Client {
  /** Sells units of one SKU. */
  deduct(request: DeductRequest): Promise<DeductAccepted | Refused | Unknown>;
  /** Sells several SKUs, all or none. */
  order(request: OrderRequest): Promise<OrderAccepted | Refused | Unknown>;
  /** Holds units for a while. */
  reserve(request: ReserveRequest): Promise<ReserveAccepted | Refused | Unknown>;
  /** Makes a sale of what is held: of `lines`, or of everything if left out; the rest goes back. */
  confirm(orderId: string, lines?: readonly Line[]): Promise<Settled | Refused | Unknown>;
  /** Lets go of what is held. */
  cancel(orderId: string): Promise<Settled | Refused | Unknown>;
  /** Holds until `ttlSeconds` after the reservation was made. */
  extend(orderId: string, ttlSeconds: number): Promise<Extended | Refused | Unknown>;
  /** Gives sold units back. */
  giveBack(orderId: string, request: ReturnRequest): Promise<ReturnAccepted | Refused | Unknown>;
  /** What became of an order; `unknown_order` is final once its deadline has passed. */
  findOrder(orderId: string): Promise<OrderFound | Refused | Unavailable>;
  /** How many units of a SKU there are. */
  stock(sku: string): Promise<Stock | Refused | Unavailable>;
}

/** Makes a client; nothing is sent before the first call. */
export function createClient(options: ClientOptions): Client {
  const { change, ask } = createCalls(options);
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
    stock: (sku) => ask(`/inventory/${encodeURIComponent(sku)}`, readStock),
  };
}

type CallHeaders = Pick<Call, "headers" | "firstHeaders">;
const noHeaders: CallHeaders = { headers: {}, firstHeaders: {} };

/** The two ways to call: one changes something, so its end may be unknown; the other only looks. */
function createCalls(options: ClientOptions) {
  const retry = retryOptions(options);
  const root = `${options.baseUrl.replace(/\/+$/, "")}/api/v1`;
  const always: Record<string, string> = { accept: "application/json" };
  if (options.token !== undefined) always.authorization = `Bearer ${options.token}`;
  return {
    async change<Value>(
      path: string,
      orderId: string,
      contents: Readonly<Record<string, unknown>>,
      read: (answer: Answer) => Value,
      { headers, firstHeaders } = noHeaders,
    ): Promise<Value | Refused | Unknown> {
      const result = await send<Value>(
        {
          method: "POST",
          url: root + path,
          headers: { ...always, "content-type": "application/json", ...headers },
          firstHeaders,
          body: JSON.stringify(contents),
        },
        read,
        retry,
      );
      if (result.kind === "decided") return result.value;
      if (result.kind === "refused") return readRefused(result.answer, result.afterUnknown);
      return { kind: "unknown", orderId, deadline: result.deadline };
    },
    async ask<Value>(path: string, read: (answer: Answer) => Value): Promise<Value | Refused | Unavailable> {
      const call: Call = { method: "GET", url: root + path, headers: always, firstHeaders: {}, body: null };
      const result = await send<Value>(call, read, retry);
      if (result.kind === "decided") return result.value;
      // A question that was lost on its way changed nothing: no doubt is left behind.
      return result.kind === "refused" ? readRefused(result.answer) : { kind: "unavailable" };
    },
  };
}

function retryOptions({ attemptsMax = 5, timeoutMs = 5000, ...options }: ClientOptions): RetryOptions {
  requirePositive("attemptsMax", attemptsMax);
  requirePositive("timeoutMs", timeoutMs);
  return {
    // Looked up at each call, and called bare: a browser's fetch refuses to be anybody's method.
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

function headersOf({ purchaseToken, sentBefore = false }: Sale): CallHeaders {
  return {
    headers: purchaseToken === undefined ? {} : { "purchase-token": purchaseToken },
    firstHeaders: sentBefore ? {} : { "order-attempt": "1" },
  };
}

// Member by member: the server refuses what it does not know, and callers pass objects of their own.
function deductBody({ orderId, userId, sku, amount }: DeductRequest) {
  return { sku, user_id: userId, order_id: orderId, amount };
}

function basketBody({ orderId, userId, lines }: OrderRequest) {
  return { order_id: orderId, user_id: userId, lines: lines.map(plainLine) };
}

function reserveBody(request: ReserveRequest) {
  return { ...basketBody(request), ttl_seconds: request.ttlSeconds };
}

function returnBody({ returnId, lines, reason }: ReturnRequest) {
  return { return_id: returnId, lines: lines.map(plainLine), reason };
}

function plainLine({ sku, amount }: Line): Line {
  return { sku, amount };
}
