/**
 * The outcomes of commands. Refusals and unknown outcomes are values; a throw means broken code.
 * The table from here to HTTP is `src/http/write/answer.ts`, the one from Lua is `redis/wire.ts`.
 *
 * @module
 */
import type { StoredPolicy } from "./event.ts";

/** The state of a line since it was accepted. */
export type LineState = "accepted" | "held" | "confirmed" | "cancelled" | "expired";

/** A remembered line: its contents, the first response to it, and its state. */
export interface RememberedLine {
  /** Whose units. */
  readonly sku: string;
  /** The event's kind: `deduct`, `order`, `reserve`, `prepare`; `adjust`, `create`, `set`; `return`. */
  readonly kind: string;
  /** Units sold, held or returned; the delta of an adjustment. */
  readonly amount: number;
  /** Available units right after it, for the first response. */
  readonly newStock: number;
  /** Number of its event. */
  readonly seq: number;
  /** When it was decided, milliseconds since 1970 by the store's clock. */
  readonly atMs: number;
  /** The buyer; empty unless it is a sale. */
  readonly userId: string;
  /** `accepted` unless it is a reservation, or prepared and not decided. */
  readonly state: LineState;
  /** Units that are still sold or held: without units that were cancelled, not confirmed, expired or returned. */
  readonly units: number;
  /** A reservation: its duration, ms; else 0. */
  readonly holdMs: number;
  /** A reservation: its expiry, ms since 1970; else 0. */
  readonly expiresAtMs: number;
  /** A reservation that was confirmed, cancelled or expired: number of that event; else 0. */
  readonly settledSeq: number;
  /** Units that were confirmed then; else 0. */
  readonly settledUnits: number;
  /** Available units right after it, for the first response; else 0. */
  readonly settledStock: number;
  /** A sale: name of the token that sold it. Empty = it belongs to every token: see `lua/state.lua`. */
  readonly actor: string;
  /** A line that was prepared: the name of its basket's attempt. Else empty, and in lines of earlier versions. */
  readonly attempt: string;
}

const saleKinds: ReadonlySet<string> = new Set(["deduct", "order", "reserve", "prepare"]);

/** Whether a remembered line is a sale: else it is an adjustment or a return. */
export function isSale(line: Pick<RememberedLine, "kind">): boolean {
  return saleKinds.has(line.kind);
}

/** Whether a line is prepared for a basket of several shards, and not decided. */
export function isPrepared(line: Pick<RememberedLine, "kind" | "state">): boolean {
  return line.kind === "prepare" && line.state === "held";
}

/** The members of a remembered line that is not a settled sale. */
export const unsettled = {
  state: "accepted",
  units: 0,
  holdMs: 0,
  expiresAtMs: 0,
  settledSeq: 0,
  settledUnits: 0,
  settledStock: 0,
  actor: "",
  attempt: "",
} as const satisfies Partial<RememberedLine>;

/** Whether a line belongs to another token than `owner`. An empty owner may change every line. */
export function isForeign(line: Pick<RememberedLine, "actor">, owner: string): boolean {
  return owner !== "" && line.actor !== "" && line.actor !== owner;
}

/** A line of a reservation that was confirmed or cancelled. */
export interface SettledLine {
  /** Whose units. */
  readonly sku: string;
  /** Units confirmed. */
  readonly amount: number;
  /** Available units after it. */
  readonly available: number;
}

/** The rules of a SKU's sale. */
export interface Rules {
  /** Not sold until it is resumed. */
  readonly paused: boolean;
  /** Sold from then on, ms since 1970; null = from ever. */
  readonly opensAtMs: number | null;
  /** Sold until then, ms since 1970; null = for ever. */
  readonly closesAtMs: number | null;
  /** Units a user may buy within the window; null = any number. */
  readonly quota: number | null;
  /** A sale needs a purchase token. */
  readonly tokenRequired: boolean;
  /** Number of the event that set the rules; 0 = none were set. A change of the rules must expect it. */
  readonly rulesVersion: number;
}

/** The rules of a stored policy. */
export function rulesOf(policy: StoredPolicy): Rules {
  return {
    paused: policy.paused ?? false,
    opensAtMs: policy.opens ?? null,
    closesAtMs: policy.closes ?? null,
    quota: policy.quota ?? null,
    tokenRequired: policy.token ?? false,
    rulesVersion: policy.version ?? 0,
  };
}

/**
 * The refusals of a store, and their fields in the order of Lua's reply: `sku` is a string, the others are
 * integers. None of them has an effect. HTTP has a code for each in `src/http/schemas/problems.ts`.
 */
export const refusalFields = {
  conflict: ["sku"],
  unknown_sku: ["sku"],
  unknown_order: [],
  unknown_reservation: [],
  /** The lines belong to another token. */
  forbidden: [],
  already_confirmed: [],
  already_cancelled: [],
  reservation_expired: [],
  /** More than is held, or was sold: `units` is the present number. */
  exceeds: ["sku", "units"],
  /** Compare-and-set: the stock is not as expected. `available` is the present number. */
  stale: ["sku", "available"],
  /** Compare-and-set: the rules are of another version than was expected. `version` is the present one; 0 = none were set. */
  stale_rules: ["sku", "version"],
  paused: ["sku"],
  not_open: ["sku", "opensAtMs"],
  sale_closed: ["sku", "closesAtMs"],
  token_required: ["sku"],
  insufficient: ["sku", "available"],
  rate_limited: ["sku", "retryAfterMs"],
  /** `left`: units that the user may still buy within the window. */
  quota_exceeded: ["sku", "quota", "left"],
  stock_limit: ["sku", "available"],
  order_full: [],
  backlog_full: [],
  /** An earlier attempt of this basket is prepared in the shard and not decided. */
  pending: [],
  /** A return or an order that may have been accepted before: only the ledger knows. */
  forgotten: [],
  /** The ledger does not have everything yet that the shard may have forgotten, or is unavailable. */
  ledger_behind: [],
  /** The deadline had passed when the command reached the store: it never takes effect. */
  late: [],
  /**
   * The call had reached its limit: sent again, the command is decided. `lines` is the number of lines of the command's
   * order; 0 = units that may decide it have expired and are not returned yet.
   */
  postponed: ["lines"],
} as const satisfies Readonly<Record<string, readonly string[]>>;

/** The name of a refusal. */
export type RefusalKind = keyof typeof refusalFields;

/** A refusal of a store, with the fields of its kind. */
export type Refusal = {
  readonly [Kind in RefusalKind]: {
    readonly [Field in "kind" | (typeof refusalFields)[Kind][number]]: Field extends "kind" ? Kind
      : Field extends "sku" ? string
      : number;
  };
}[RefusalKind];

/** The store decided: the command took effect, was refused, or was a read. */
export type Decided =
  | {
    readonly kind: "accepted";
    readonly seq: number;
    /** Available units of each line after it, in the order of the lines. */
    readonly newStock: readonly number[];
    /** A replay: the first response, without another effect. */
    readonly replayed: boolean;
    /** An adjustment, or rules, that created the SKU. */
    readonly created: boolean;
    /** A reservation: its expiry, ms since 1970; else 0. */
    readonly expiresAtMs: number;
  }
  /** A reservation became a sale, or its units were returned. */
  | {
    readonly kind: "settled";
    readonly state: "confirmed" | "cancelled";
    readonly seq: number;
    readonly replayed: boolean;
    readonly lines: readonly SettledLine[];
  }
  /** `seq` is the number of the extension, or of the log's head when the reservation was as long already. */
  | { readonly kind: "extended"; readonly seq: number; readonly expiresAtMs: number }
  | Refusal
  | (Rules & {
    readonly kind: "stock";
    readonly sku: string;
    readonly available: number;
    readonly reserved: number;
    /** Head of the shard's log when it was read. */
    readonly seq: number;
  })
  | {
    readonly kind: "order";
    readonly lines: readonly RememberedLine[];
    /** Last number that the shard may have forgotten, 0 = none: lines up to it may be in the ledger only. */
    readonly forgottenSeq: number;
    /** Minimum time for which the shard remembers a line, ms. */
    readonly windowMs: number;
  };

/** The store did not decide. All but `outcome_unknown` are certain: the command took no effect. */
export type Undecided =
  /** `reason`: why, as the end of a sentence; left out when unknown. */
  | { readonly kind: "unarmed"; readonly reason?: string }
  | { readonly kind: "overloaded" }
  /** The lines of a basket belong to several shards. */
  | { readonly kind: "cross_shard" }
  | { readonly kind: "store_unavailable"; readonly reason: string }
  /** The store has no memory left for another order. */
  | { readonly kind: "store_full" }
  /** It may have taken effect, or still will until the deadline (store's clock, ms). */
  | { readonly kind: "outcome_unknown"; readonly deadlineMs: number };

/** The known lines of an order. Without lines, it was never accepted, or may still be until its deadline. */
export type OrderOutcome =
  | { readonly kind: "order_found"; readonly lines: readonly RememberedLine[] }
  | { readonly kind: "ledger_behind" }
  | Undecided;

/** The outcome of a command. */
export type Outcome = Decided | Undecided;
