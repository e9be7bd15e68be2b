/**
 * What can be asked of a shard, in the words of the business. The store decides a batch of these at
 * once; how they travel is the adapter's affair (`redis/wire.ts`).
 *
 * @module
 */
import type { RememberedLine } from "./outcome.ts";

/**
 * Every bound that more than one file, or Lua too, relies on. The HTTP edge enforces those of commands; OpenAPI prints
 * them; a house rule compares the constants of Lua (`QUANTITY_MAX` with `quantityMax`).
 */
export const limits = {
  /** Bytes (UTF-8) of a SKU, user, order, adjustment or return id. */
  idBytesMax: 128,
  /** Units in one line of an order. A basket of 100 such lines has 10^8, far below `quantityMax`. */
  amountMax: 1_000_000,
  /** Units of one SKU, and the largest change of them: cjson prints 14 digits, 10^12 has 13. */
  quantityMax: 1_000_000_000_000,
  /** Lines of one order that a shard remembers, and of one basket: with SKUs of 128 bytes, 15.6 KB of a body's 16 KiB. */
  orderLinesMax: 100,
  /** Deducts of one batch: with ids of 128 bytes, 0.45 MB of a batch's 1 MiB. */
  batchItemsMax: 1000,
  /** Characters of a reason or a reference. */
  noteCharsMax: 256,
  /** How long a reservation holds its units, ms: 1 s to 4 h from when it was made. */
  holdMinMs: 1000,
  holdLongestMs: 14_400_000,
  /** How long a reservation holds when it does not say, ms. */
  holdDefaultMs: 600_000,
  /** How long a purchase token may last, seconds: long enough for a checkout, too short for a market of tokens. */
  tokenTtlMaxS: 600,
  /** For so long after the end of a sale its users' counts are kept, ms: clocks go back at times. */
  closedMs: 86_400_000,
  /** Orders whose holds have lapsed that one call looks at, and remembered lines of them; more wait for the next call. */
  dueMax: 256,
  lapseLinesMax: 256,
  /** Remembered lines that one call reads for its commands, in Lua: each takes 1 to 10 us of the server. */
  readLinesMax: 256,
  /** Shards of a deployment: each has a lease and 9 keys, and the lookup of an order asks all of them. */
  shardsMax: 1024,
} as const;

/** Some units of one SKU. */
export interface Line {
  /** Whose units: an id of 1..{@link limits.idBytesMax} bytes. */
  readonly sku: string;
  /** Units, 1..{@link limits.amountMax}. */
  readonly amount: number;
}

/** Who asked, and from where in a trace: goes into the log beside the fact. */
export interface Origin {
  /** Name of the token that asked; empty when access is open. */
  readonly actor: string;
  /** W3C `traceparent`, or empty. */
  readonly traceparent: string;
}

/** What changes lines that were sold before. */
export interface OfOwner {
  /** Lines that another token made are `forbidden`; empty = all may be changed. */
  readonly owner: string;
}

/**
 * Take units: for good (`deduct` has one line, `order` is a basket), or for a while (`reserve`). All lines or
 * none. A line is identified by (order id, SKU) and accepted at most once; SKUs of one sale differ. The same order id
 * and SKU with another kind, user or amount, or in another basket, is a conflict. An order id has one reservation:
 * another one under it is a conflict, and after its end refused with what became of it.
 */
export interface Sale extends Origin {
  /** Tells the commands apart; also the kind of its event. */
  readonly kind: "deduct" | "order" | "reserve";
  /** The shop's id, 1..{@link limits.idBytesMax} bytes. All clients share one space of them. */
  readonly orderId: string;
  /** Who buys: limit and quota count by user and SKU. */
  readonly userId: string;
  /** All or none: 1..{@link limits.orderLinesMax}, each of another SKU. */
  readonly lines: readonly Line[];
  /** The client says that it never sent this before, so it cannot be the retry of an accepted sale. */
  readonly firstAttempt: boolean;
  /** A valid purchase token for this order and user came with it. */
  readonly hasToken: boolean;
  /** `reserve`: how long the units are held, ms; else 0. */
  readonly holdMs: number;
}

/** Make a reservation a sale: all of it, or the units of `lines`; the rest returns. */
export interface Confirm extends Origin, OfOwner {
  /** Tells the commands apart; also the kind of its event. */
  readonly kind: "confirm";
  /** The shop's id, 1..{@link limits.idBytesMax} bytes. All clients share one space of them. */
  readonly orderId: string;
  /** SKUs differ; null = everything that is held. */
  readonly lines: readonly Line[] | null;
}

/** Give a reservation's units back. */
export interface Cancel extends Origin, OfOwner {
  /** Tells the commands apart; also the kind of its event. */
  readonly kind: "cancel";
  /** The shop's id, 1..{@link limits.idBytesMax} bytes. All clients share one space of them. */
  readonly orderId: string;
}

/** Let a reservation hold until `holdMs` after it was made; never makes it shorter, so repeating it is safe. */
export interface Extend extends Origin, OfOwner {
  /** Tells the commands apart; also the kind of its event. */
  readonly kind: "extend";
  /** The shop's id, 1..{@link limits.idBytesMax} bytes. All clients share one space of them. */
  readonly orderId: string;
  /** {@link limits.holdMinMs}..{@link limits.holdLongestMs}, counted from when the reservation was made. */
  readonly holdMs: number;
}

/** Give sold units back; a return is identified by (order id, return id, SKU). */
export interface Return extends Origin, OfOwner {
  /** Tells the commands apart; also the kind of its event. */
  readonly kind: "return";
  /** The shop's id, 1..{@link limits.idBytesMax} bytes. All clients share one space of them. */
  readonly orderId: string;
  /** With the order and the SKU, what identifies the return. */
  readonly returnId: string;
  /** SKUs differ. */
  readonly lines: readonly Line[];
  /** Why, in somebody's words: 0..{@link limits.noteCharsMax} characters. */
  readonly reason: string;
  /** What the ledger has of it, for a shard that may have forgotten it; null = not looked up. */
  readonly ledger: Recalled | null;
}

/** What the ledger has of an order and of one return of it, in one shard. */
export interface Recalled {
  /** Last number in the ledger when it was read. */
  readonly appliedSeq: number;
  /** The order's lines. */
  readonly sold: readonly RememberedLine[];
  /** The return's lines; none = it was not applied. */
  readonly returned: readonly RememberedLine[];
}

/** Add units to a SKU, or take them away; creates the SKU when `delta` >= 0. */
export interface Adjust extends Origin {
  /** Tells the commands apart; also the kind of its event. */
  readonly kind: "adjust";
  /** With the SKU, what identifies it. Its name space is not that of the order ids. */
  readonly adjustmentId: string;
  /** Whose units; it need not exist when `delta` >= 0. */
  readonly sku: string;
  /** Units, -{@link limits.quantityMax}..{@link limits.quantityMax}. */
  readonly delta: number;
  /** Why, in somebody's words: 0..{@link limits.noteCharsMax} characters. */
  readonly reason: string;
  /** What it belongs to elsewhere, e.g. a delivery note: 0..{@link limits.noteCharsMax} characters. */
  readonly reference: string;
  /** The worker's own: gives back `delta` units of a second sale, less what came back of it, and corrects its line. */
  readonly secondSale?: SecondSale;
}

/** An order's line that was sold again after its shard had forgotten it. */
export interface SecondSale {
  /** The order. */
  readonly orderId: string;
  /** Number of the second sale's event. */
  readonly seq: number;
  /** Units of the first sale that were still sold then: what remains sold, less what came back since. */
  readonly soldUnits: number;
  /** Units that came back since then, for a shard that does not remember the second sale. */
  readonly returnedUnits: number;
}

/** Set a SKU's available units, if they are what the caller thinks. Shares its ids with {@link Adjust}. */
export interface SetStock extends Origin {
  /** Tells the commands apart; also the kind of its event. */
  readonly kind: "set";
  /** With the SKU, what identifies it. Its name space is not that of the order ids. */
  readonly adjustmentId: string;
  /** Whose units: an id of 1..{@link limits.idBytesMax} bytes. */
  readonly sku: string;
  /** Units, 0..{@link limits.quantityMax}. */
  readonly available: number;
  /** What they must be now; null = the SKU has no stock yet: it does not exist, or was made by its rules. */
  readonly expected: number | null;
  /** Why, in somebody's words: 0..{@link limits.noteCharsMax} characters. */
  readonly reason: string;
  /** What it belongs to elsewhere, e.g. a delivery note: 0..{@link limits.noteCharsMax} characters. */
  readonly reference: string;
}

/** Stop selling a SKU, or go on, with the next decision. */
export interface Pause extends Origin {
  /** Tells the commands apart; also the kind of its event. */
  readonly kind: "pause" | "resume";
  /** Whose units: an id of 1..{@link limits.idBytesMax} bytes. */
  readonly sku: string;
  /** Why, in somebody's words: 0..{@link limits.noteCharsMax} characters. */
  readonly reason: string;
}

/**
 * The rules of a SKU's sale. Replaces all of them but the pause. What users bought goes on counting for the quota,
 * except after a quota where there was none, another `opensAtMs`, or a sale that has been closed for a day or longer.
 * Accepted without effect when the rules are as asked already. `seq` of the outcome is the version of the rules.
 */
export interface SetRules extends Origin {
  /** Tells the commands apart; also the kind of its event. */
  readonly kind: "rules";
  /** Whose units: an id of 1..{@link limits.idBytesMax} bytes. */
  readonly sku: string;
  /** Sold from then on, ms since 1970; null = from ever. */
  readonly opensAtMs: number | null;
  /** Sold until then, ms since 1970; null = for ever. */
  readonly closesAtMs: number | null;
  /** Units a user may buy within the window; null = any number. */
  readonly quota: number | null;
  /** A sale needs a purchase token. */
  readonly tokenRequired: boolean;
  /** The version of the rules that the caller has seen, 0 = none were set; null = the SKU must not exist, and is created. */
  readonly expected: number | null;
}

/** All rules of a SKU's sale without the version that they replace. */
export type SaleRules = Pick<SetRules, "opensAtMs" | "closesAtMs" | "quota" | "tokenRequired">;

/** Read one SKU. Goes the same way as a sale, so it is answered by a verified store or not at all. */
export interface ReadStock {
  /** Tells the commands apart; a read leaves no event. */
  readonly kind: "stock";
  /** Whose units: an id of 1..{@link limits.idBytesMax} bytes. */
  readonly sku: string;
}

/** Read what a shard remembers of an order. */
export interface Lookup {
  /** Tells the commands apart; a read leaves no event. */
  readonly kind: "lookup";
  /** Finds sales only: adjustments have ids of their own. */
  readonly orderId: string;
}

/** Everything a shard can be asked. */
export type Command =
  | Sale
  | Confirm
  | Cancel
  | Extend
  | Return
  | Adjust
  | SetStock
  | Pause
  | SetRules
  | ReadStock
  | Lookup;

/** The SKUs that say which shard a command goes to; none for one that every shard is asked. */
export function routingSkus(command: Command): readonly string[] {
  switch (command.kind) {
    case "deduct":
    case "order":
    case "reserve":
    case "return":
      return command.lines.map((line) => line.sku);
    case "confirm":
    case "cancel":
    case "extend":
    case "lookup":
      return [];
    default:
      return [command.sku];
  }
}

/** How much of a batch's room a command takes: its lines, because a line costs reads, writes and bytes. */
export function weight(command: Command): number {
  switch (command.kind) {
    case "deduct":
    case "order":
    case "reserve":
    case "return":
      return command.lines.length;
    case "confirm":
    case "cancel":
    case "extend":
      return 4; // how many lines there are only the store knows: it postpones what is too much for a call
    default:
      return 1;
  }
}
