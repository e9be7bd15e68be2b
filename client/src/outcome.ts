/**
 * Results of the client's calls, discriminated by `kind`, refusals also by `code`.
 *
 * @module
 */

/** Units of one SKU. */
export interface Line {
  /** The SKU. */
  readonly sku: string;
  /** Units, 1..1,000,000. */
  readonly amount: number;
}

/** A line with the available units just after the decision. */
export interface LineAfter extends Line {
  /** Available units just after the decision. */
  readonly newStock: number;
}

/** Members of every change that took effect. */
export interface Effect {
  /** The order. */
  readonly orderId: string;
  /** Number of the event in its shard. */
  readonly seq: number;
}

/** An accepted deduct. */
export interface DeductAccepted extends Effect, LineAfter {
  /** The units are sold. */
  readonly kind: "accepted";
  /** True = decided by an earlier attempt; this is its response. */
  readonly replayed: boolean;
}

/** An accepted basket. */
export interface OrderAccepted extends Effect {
  /** The units are sold. */
  readonly kind: "accepted";
  /** Each SKU once, at its first position. */
  readonly lines: readonly LineAfter[];
  /** True = decided by an earlier attempt; this is its response. */
  readonly replayed: boolean;
}

/** An accepted reservation. */
export interface ReserveAccepted extends OrderAccepted {
  /** When the hold expires, RFC 3339. */
  readonly expiresAt: string;
}

/** An accepted return. */
export interface ReturnAccepted extends OrderAccepted {
  /** The return. */
  readonly returnId: string;
}

/** A line of a settled reservation. */
export interface SettledLine {
  /** The SKU. */
  readonly sku: string;
  /** Units that were sold; the others are available again. */
  readonly confirmed: number;
  /** Available units just after the decision. */
  readonly newStock: number;
}

/** A confirmed or cancelled reservation. */
export interface Settled extends Effect {
  /** The reservation has ended. */
  readonly kind: "settled";
  /** How it ended. */
  readonly state: "confirmed" | "cancelled";
  /** All of its lines. */
  readonly lines: readonly SettledLine[];
  /** True = decided by an earlier attempt; this is its response. */
  readonly replayed: boolean;
}

/** An extended reservation. */
export interface Extended extends Effect {
  /** The units are still held. */
  readonly kind: "extended";
  /** When the hold expires, RFC 3339. */
  readonly expiresAt: string;
}

/** One line of an order. */
export interface FoundLine extends LineAfter {
  /** The buyer. */
  readonly userId: string;
  /** The command: `deduct`, `order` or `reserve`. */
  readonly kind: string;
  /** `accepted`, `held`, `confirmed`, … */
  readonly state: string;
  /** Units that are sold or held now. */
  readonly units: number;
  /** Units that were returned. */
  readonly returned: number;
  /** Time of the decision, RFC 3339. */
  readonly acceptedAt: string;
  /** When the hold expires, RFC 3339; null = not held. */
  readonly expiresAt: string | null;
}

/** An order of which at least one line was accepted. */
export interface OrderFound {
  /** The order is known. */
  readonly kind: "found";
  /** The order. */
  readonly orderId: string;
  /** Its accepted lines. */
  readonly lines: readonly FoundLine[];
}

/** One item of a batch: the result of the single deduct, or an unknown outcome. */
export type BatchItem = DeductAccepted | Refused | Unknown;

/** A decided batch. */
export interface BatchDecided {
  /** Every item has an outcome. */
  readonly kind: "batch";
  /** One outcome per item, in the order of the request. */
  readonly items: readonly BatchItem[];
}

/** Why the last attempt of a call got no decision. */
export type Cause =
  /** No response: the network failed, or the attempt timed out. `error` is the value that `fetch` threw. */
  | { readonly kind: "no_answer"; readonly error: unknown }
  /** A response without a decision: its status, and the server's code (`""` = not a response of the server). */
  | { readonly kind: "answer"; readonly status: number; readonly code: string; readonly detail: string };

/** Members of every refusal. */
export interface RefusedCommon {
  /** Nothing happened, and the same request would be refused again. */
  readonly kind: "refused";
  /** HTTP status, 400..499. */
  readonly status: number;
  /** A sentence for people. */
  readonly detail: string;
  /** The wait that the server requests, ms; null = none. */
  readonly retryAfterMs: number | null;
  /**
   * True = an earlier attempt of this call, or of a proxy, ended without a decision and may still take effect. Call
   * `findOrder` before you report to a buyer that nothing was bought.
   */
  readonly afterUnknown: boolean;
}

/** The codes of refusals and their members: `opensAt` is `opens_at` on the wire. */
export const codeMembers = {
  invalid_host: [],
  cross_site_request: [],
  unauthorized: [],
  forbidden: [],
  blocked: [],
  not_found: [],
  unknown_order: [],
  unknown_reservation: [],
  method_not_allowed: [],
  already_confirmed: [],
  already_cancelled: [],
  reservation_expired: [],
  body_too_large: [],
  unsupported_media_type: [],
  cross_shard_basket: [],
  order_too_large: [],
  too_many_requests: [],
  purchase_tokens_off: [],
  unknown_sku: ["sku"],
  sku_paused: ["sku"],
  purchase_token_required: ["sku"],
  purchase_token_invalid: ["sku"],
  order_conflict: ["sku"],
  adjustment_conflict: ["sku"],
  return_conflict: ["sku"],
  rate_limited: ["sku"],
  // Units of the SKU that the request may use.
  confirm_exceeds_held: ["sku", "units"],
  return_exceeds_sold: ["sku", "units"],
  insufficient_stock: ["sku", "available"],
  stock_limit: ["sku", "available"],
  not_open: ["sku", "opensAt"],
  sale_closed: ["sku", "closesAt"],
  quota_exceeded: ["sku", "quota", "left"],
} as const satisfies Readonly<Record<string, readonly string[]>>;

/** Members that are strings; the others are integers. */
export const textMembers = ["sku", "opensAt", "closesAt"] as const;

/** A code and its members. */
export type CodeReason = {
  readonly [Code in keyof typeof codeMembers]: {
    readonly [Member in "code" | (typeof codeMembers)[Code][number]]: Member extends "code" ? Code
      : Member extends (typeof textMembers)[number] ? string
      : number;
  };
}[keyof typeof codeMembers];

/** One error in a request. */
export interface FieldError {
  /** JSON pointer (RFC 6901) to the member. */
  readonly pointer: string;
  /** The violated rule. */
  readonly detail: string;
}

/** The stock, or the rules, are not as expected. */
export interface Stale {
  /** Another caller changed them. */
  readonly code: "stale";
  /** The SKU. */
  readonly sku: string;
  /** Available units now; null = the rules were stale. */
  readonly available: number | null;
  /** Version of the rules now, 0 = no rules; null = the stock was stale. */
  readonly rulesVersion: number | null;
}

/** The code of a refusal with its members. */
export type Reason =
  | CodeReason
  | Stale
  | { readonly code: "invalid_request"; readonly errors: readonly FieldError[] }
  /** A code that this client does not know (`name`), or a response of an intermediary (`""`). */
  | { readonly code: "unrecognized"; readonly name: string };

/** A refused request: a 4xx, which the client never repeats. */
export type Refused = RefusedCommon & Reason;

/** A change with an unknown outcome after all attempts. */
export interface Unknown {
  /** It may have taken effect. */
  readonly kind: "unknown";
  /** Send the same order again later, with `sentBefore`, or read it. */
  readonly orderId: string;
  /**
   * Until when it may still take effect, RFC 3339: an order that is not found after it never took effect. Null = an
   * attempt had no response, so the time is unknown; the server's `REQUEST_TIMEOUT_MS` is its limit.
   */
  readonly deadline: string | null;
  /** Why the last attempt got no decision. */
  readonly cause: Cause;
}

/** A purchase token. */
export interface PurchaseTokenIssued {
  /** The token is issued. */
  readonly kind: "issued";
  /** The `purchaseToken` of the sale. */
  readonly purchaseToken: string;
  /** The order of the token. */
  readonly orderId: string;
  /** When the token expires (RFC 3339). */
  readonly expiresAt: string;
}

/** A stock change with an unknown outcome. Call again with the same contents: it takes effect once. */
export interface UnknownChange extends Omit<Unknown, "orderId"> {
  /** The SKU. */
  readonly sku: string;
}

/** A read without a response after all attempts. A read changes nothing. */
export interface Unavailable {
  /** Read again later. */
  readonly kind: "unavailable";
  /** Why the last attempt got no response. */
  readonly cause: Cause;
}
