/**
 * What a call of the client can end with: discriminated by `kind`, refusals once more by `code`.
 *
 * @module
 */

/** Units of one SKU. */
export interface Line {
  /** What is bought. */
  readonly sku: string;
  /** Units, 1..1,000,000. */
  readonly amount: number;
}

/** A line with the units that were left when it was decided. */
export interface LineAfter extends Line {
  /** Units for sale right after the decision. */
  readonly newStock: number;
}

/** What everything that took effect has. */
export interface Effect {
  /** The order. */
  readonly orderId: string;
  /** Number of the event in its shard. */
  readonly seq: number;
}

/** A single deduct that was sold. */
export interface DeductAccepted extends Effect, LineAfter {
  /** The units are sold. */
  readonly kind: "accepted";
  /** True = decided by an earlier try; this is its answer again. */
  readonly replayed: boolean;
}

/** A basket that was sold, all of it. */
export interface OrderAccepted extends Effect {
  /** The units are sold. */
  readonly kind: "accepted";
  /** Each SKU once, where it was first named. */
  readonly lines: readonly LineAfter[];
  /** True = decided by an earlier try; this is its answer again. */
  readonly replayed: boolean;
}

/** Units that are held. */
export interface ReserveAccepted extends OrderAccepted {
  /** When they go back by themselves, RFC 3339. */
  readonly expiresAt: string;
}

/** Units that came back. */
export interface ReturnAccepted extends OrderAccepted {
  /** The return. */
  readonly returnId: string;
}

/** A line of a reservation that was decided. */
export interface SettledLine {
  /** What was held. */
  readonly sku: string;
  /** Units that became a sale; the others went back. */
  readonly confirmed: number;
  /** Units for sale right after that. */
  readonly newStock: number;
}

/** A reservation that became a sale, or was let go. */
export interface Settled extends Effect {
  /** The reservation has ended. */
  readonly kind: "settled";
  /** What became of it. */
  readonly state: "confirmed" | "cancelled";
  /** Every line of it. */
  readonly lines: readonly SettledLine[];
  /** True = decided by an earlier try; this is its answer again. */
  readonly replayed: boolean;
}

/** A reservation that holds until another time. */
export interface Extended extends Effect {
  /** The units are still held. */
  readonly kind: "extended";
  /** When they go back by themselves, RFC 3339. */
  readonly expiresAt: string;
}

/** What is known of one line of an order. */
export interface FoundLine extends LineAfter {
  /** Who bought. */
  readonly userId: string;
  /** How it was bought: `deduct`, `order` or `reserve`. */
  readonly kind: string;
  /** `accepted`, `held`, `confirmed`, … */
  readonly state: string;
  /** Units that are still sold or held. */
  readonly units: number;
  /** Units that came back. */
  readonly returned: number;
  /** When it was decided, RFC 3339. */
  readonly acceptedAt: string;
  /** When a hold ends, RFC 3339; null = this is no hold. */
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

/** One item of a batch: what the single deduct would have returned, or that its outcome is unknown. */
export type BatchItem = DeductAccepted | Refused | Unknown;

/** A batch that was decided, item by item. */
export interface BatchDecided {
  /** Every item has an outcome. */
  readonly kind: "batch";
  /** One outcome an item, in the order of the request. */
  readonly items: readonly BatchItem[];
}

/** Why the last try of a call got no decision. */
export type Cause =
  /** No answer: the network failed, or the time of the try was over. `error` is what `fetch` threw. */
  | { readonly kind: "no_answer"; readonly error: unknown }
  /** An answer that decides nothing: its status, and the server's code (`""` = not an answer of the server). */
  | { readonly kind: "answer"; readonly status: number; readonly code: string; readonly detail: string };

/** What every refusal has. */
export interface RefusedCommon {
  /** Nothing happened, and the same request again would be refused again. */
  readonly kind: "refused";
  /** HTTP status, 400..499. */
  readonly status: number;
  /** A sentence for people. */
  readonly detail: string;
  /** How long the server asks to stay away, ms; null = it does not say. */
  readonly retryAfterMs: number | null;
  /**
   * True = an earlier try of this call, or of a proxy, ended without a decision and, in theory, may still take effect. Ask
   * `findOrder` before telling a buyer that nothing was bought.
   */
  readonly afterUnknown: boolean;
}

/** The codes of refusals, and the members that each has: `opensAt` is `opens_at` on the wire. */
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
  // Units of the SKU that there are for the request.
  confirm_exceeds_held: ["sku", "units"],
  return_exceeds_sold: ["sku", "units"],
  insufficient_stock: ["sku", "available"],
  stock_limit: ["sku", "available"],
  not_open: ["sku", "opensAt"],
  sale_closed: ["sku", "closesAt"],
  quota_exceeded: ["sku", "quota", "left"],
} as const satisfies Readonly<Record<string, readonly string[]>>;

/** Members that are texts; the others are integers. */
export const textMembers = ["sku", "opensAt", "closesAt"] as const;

/** A code and its members. */
export type CodeReason = {
  readonly [Code in keyof typeof codeMembers]: {
    readonly [Member in "code" | (typeof codeMembers)[Code][number]]: Member extends "code" ? Code
      : Member extends (typeof textMembers)[number] ? string
      : number;
  };
}[keyof typeof codeMembers];

/** One thing that is wrong with a request. */
export interface FieldError {
  /** JSON pointer (RFC 6901) to the member. */
  readonly pointer: string;
  /** The rule that it breaks. */
  readonly detail: string;
}

/** The stock, or the rules, are not what was expected. */
export interface Stale {
  /** Somebody else changed them. */
  readonly code: "stale";
  /** The SKU. */
  readonly sku: string;
  /** Units for sale now; null = it is about the rules. */
  readonly available: number | null;
  /** The version of the rules now, 0 = none were set; null = it is about the stock. */
  readonly rulesVersion: number | null;
}

/** What a refusal says beside its code. */
export type Reason =
  | CodeReason
  | Stale
  | { readonly code: "invalid_request"; readonly errors: readonly FieldError[] }
  /** A code that this client is too old to know (`name`), or an answer of something in between (`""`). */
  | { readonly code: "unrecognized"; readonly name: string };

/** The request was refused: a 4xx, never sent again by the client. */
export type Refused = RefusedCommon & Reason;

/** Nobody could tell what became of a change, however often it was sent. */
export interface Unknown {
  /** It may have taken effect. */
  readonly kind: "unknown";
  /** Send the same order again later, with `sentBefore`, or ask what became of it. */
  readonly orderId: string;
  /**
   * Until when it may still take effect, RFC 3339: an order that is not found after it never was. Null = a try
   * was left without an answer, so nobody named the moment; the server's `REQUEST_TIMEOUT_MS` is the bound.
   */
  readonly deadline: string | null;
  /** Why the last try got no decision. */
  readonly cause: Cause;
}

/** A purchase token. */
export interface PurchaseTokenIssued {
  /** The token is issued. */
  readonly kind: "issued";
  /** The `purchaseToken` of the sale. */
  readonly purchaseToken: string;
  /** The order that it is for. */
  readonly orderId: string;
  /** From then on it is invalid (RFC 3339). */
  readonly expiresAt: string;
}

/** Nobody could tell what became of a stock change. Call again with the same contents: it takes effect once. */
export interface UnknownChange extends Omit<Unknown, "orderId"> {
  /** The SKU. */
  readonly sku: string;
}

/** A question that nobody answered, however often it was asked. A question changes nothing. */
export interface Unavailable {
  /** Ask again later. */
  readonly kind: "unavailable";
  /** Why the last try got no answer. */
  readonly cause: Cause;
}
