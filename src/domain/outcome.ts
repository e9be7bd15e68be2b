/**
 * What can become of a command. Refusals are values, and so is not knowing; a throw means broken code.
 * The table from here to HTTP is `src/http/write/answer.ts`, the one from Lua is `redis/wire.ts`.
 *
 * @module
 */
import type { StoredPolicy } from "./event.ts";

/** What became of a line since it was accepted. */
export type LineState = "accepted" | "held" | "confirmed" | "cancelled" | "expired";

/** A line that a shard remembers: what was accepted, the first answer to it, and what became of it. */
export interface RememberedLine {
  /** Whose units. */
  readonly sku: string;
  /** The event's kind: `deduct`, `order`, `reserve`; `adjust`, `create`, `set`; `return`. */
  readonly kind: string;
  /** Units sold, held or returned; the delta of an adjustment. */
  readonly amount: number;
  /** Available units right after it: the first answer. */
  readonly newStock: number;
  /** Number of its event. */
  readonly seq: number;
  /** When it was decided, milliseconds since 1970 by the store's clock. */
  readonly atMs: number;
  /** Who bought; empty for what is not a sale. */
  readonly userId: string;
  /** `accepted` for what is not a reservation. */
  readonly state: LineState;
  /** Units that are still sold or held: without what was cancelled, not confirmed, lapsed or returned. */
  readonly units: number;
  /** A reservation: how long it was made for, ms; else 0. */
  readonly holdMs: number;
  /** A reservation: when it lapses or lapsed, ms since 1970; else 0. */
  readonly expiresAtMs: number;
  /** A reservation that was confirmed or cancelled, or lapsed: number of that event; else 0. */
  readonly settledSeq: number;
  /** Units that were confirmed then; else 0. */
  readonly settledUnits: number;
  /** Available units right after it: the first answer; else 0. */
  readonly settledStock: number;
  /** A sale: name of the token that made it. Empty = it belongs to every token: see `lua/state.lua`. */
  readonly actor: string;
}

const saleKinds: ReadonlySet<string> = new Set(["deduct", "order", "reserve"]);

/** Whether a remembered line is a sale: else it is an adjustment or a return. */
export function isSale(line: Pick<RememberedLine, "kind">): boolean {
  return saleKinds.has(line.kind);
}

/** What a remembered line has that is not, or not yet, a settled sale. */
export const unsettled = {
  state: "accepted",
  units: 0,
  holdMs: 0,
  expiresAtMs: 0,
  settledSeq: 0,
  settledUnits: 0,
  settledStock: 0,
  actor: "",
} as const satisfies Partial<RememberedLine>;

/** Whether another token than `owner` made a line. An empty owner may change every line. */
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
  /** Number of the event that set the rules; 0 = none were set. What a change of them has to expect. */
  readonly rulesVersion: number;
}

/** The rules that a stored policy stands for. */
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
 * The refusals of a store, and their fields in the order in which Lua replies them: `sku` is a text, the others are
 * integers. None of them has an effect. HTTP has a code for each in `src/http/schemas/problems.ts`.
 */
export const refusalFields = {
  conflict: ["sku"],
  unknown_sku: ["sku"],
  unknown_order: [],
  unknown_reservation: [],
  /** Another token made the lines. */
  forbidden: [],
  already_confirmed: [],
  already_cancelled: [],
  reservation_expired: [],
  /** More than is held, or was sold: `units` is what there is. */
  exceeds: ["sku", "units"],
  /** Compare-and-set: the stock is not what was expected. `available` is what it is. */
  stale: ["sku", "available"],
  /** Compare-and-set: the rules are of another version than was expected. `version` is theirs; 0 = none were set. */
  stale_rules: ["sku", "version"],
  paused: ["sku"],
  not_open: ["sku", "opensAtMs"],
  sale_closed: ["sku", "closesAtMs"],
  token_required: ["sku"],
  insufficient: ["sku", "available"],
  rate_limited: ["sku", "retryAfterMs"],
  /** `left` is what the user may still buy within the window. */
  quota_exceeded: ["sku", "quota", "left"],
  stock_limit: ["sku", "available"],
  order_full: [],
  backlog_full: [],
  /** A return that may have been taken before, or an order that may have been: only the ledger knows. */
  forgotten: [],
  /** The ledger does not have all yet that the shard may have forgotten, or cannot be asked. */
  ledger_behind: [],
  /** The deadline had passed when the command reached the store: it never will have an effect. */
  late: [],
  /**
   * The store had done as much as one call may: asked again, it is decided. `lines` is how many lines of the command's
   * order were to be read; 0 = units that may decide it have lapsed and are not back yet.
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
    /** The same line again: this is the first answer, and nothing happened now. */
    readonly replayed: boolean;
    /** An adjustment, or rules, that made the SKU. */
    readonly created: boolean;
    /** A reservation: when it lapses, ms since 1970; else 0. */
    readonly expiresAtMs: number;
  }
  /** A reservation became a sale, or its units are back. */
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
    /** Last number that the shard may have forgotten, 0 = none: what it does not know, the ledger may know. */
    readonly forgottenSeq: number;
    /** How long the shard remembers a line at least, ms. */
    readonly windowMs: number;
  };

/** The store did not decide. All but `outcome_unknown` are certain: the command took no effect. */
export type Undecided =
  /** `reason`: why, as the end of a sentence; left out when nobody could say. */
  | { readonly kind: "unarmed"; readonly reason?: string }
  | { readonly kind: "overloaded" }
  /** The lines of a basket belong to several shards. */
  | { readonly kind: "cross_shard" }
  | { readonly kind: "store_unavailable"; readonly reason: string }
  /** The store has no memory left for another order. */
  | { readonly kind: "store_full" }
  /** It may have taken effect, or still will until the deadline (store's clock, ms). */
  | { readonly kind: "outcome_unknown"; readonly deadlineMs: number };

/** What is known of an order. No lines: it was never accepted, or still may be until its deadline. */
export type OrderOutcome =
  | { readonly kind: "order_found"; readonly lines: readonly RememberedLine[] }
  | { readonly kind: "ledger_behind" }
  | Undecided;

/** What became of a command. */
export type Outcome = Decided | Undecided;
