/**
 * The commands of a shard. The store decides a batch of them at once; the adapter encodes them (`redis/wire.ts`).
 *
 * @module
 */
import type { Prepare, Settle } from "./basket.ts";
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
  /** For so long after the end of a sale its users' counts are kept, ms, because clocks are set back at times. */
  closedMs: 86_400_000,
  /** Orders with expired holds that one call reads, and remembered lines of them; more wait for the next call. */
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

/** Caller and trace of a command: written into the log with the event. */
export interface Origin {
  /** Name of the caller's token; empty when access is open. */
  readonly actor: string;
  /** W3C `traceparent`, or empty. */
  readonly traceparent: string;
}

/** A command that changes lines that were sold before. */
export interface OfOwner {
  /** Lines that another token sold are `forbidden`; empty = all may be changed. */
  readonly owner: string;
}

/**
 * Takes units: `deduct` has one line, `order` is a basket, `reserve` sets units aside for a time. All lines or none. A line is identified by (order id, SKU) and accepted at most once; SKUs of one sale differ. The same order id
 * and SKU with another kind, user or amount, or in another basket, is a conflict. An order id has one reservation:
 * another one under it is a conflict, and after its end it is refused with its final state.
 */
export interface Sale extends Origin {
  /** Discriminates commands; also the kind of the event. */
  readonly kind: "deduct" | "order" | "reserve";
  /** The shop's id, 1..{@link limits.idBytesMax} bytes. All clients share one space of them. */
  readonly orderId: string;
  /** The buyer: user limit and quota count by user and SKU. */
  readonly userId: string;
  /** All or none: 1..{@link limits.orderLinesMax}, each of another SKU. */
  readonly lines: readonly Line[];
  /** The request has a valid purchase token for this order and user. */
  readonly hasToken: boolean;
  /** `reserve`: how long the units are held, ms; else 0. */
  readonly holdMs: number;
}

/** Turns a reservation into a sale: all of it, or the units of `lines`; the rest is returned. */
export interface Confirm extends Origin, OfOwner {
  /** Discriminates commands; also the kind of the event. */
  readonly kind: "confirm";
  /** The shop's id, 1..{@link limits.idBytesMax} bytes. All clients share one space of them. */
  readonly orderId: string;
  /** Each of another SKU; null = all reserved units. */
  readonly lines: readonly Line[] | null;
}

/** Cancels a reservation: its units return to the stock. */
export interface Cancel extends Origin, OfOwner {
  /** Discriminates commands; also the kind of the event. */
  readonly kind: "cancel";
  /** The shop's id, 1..{@link limits.idBytesMax} bytes. All clients share one space of them. */
  readonly orderId: string;
}

/** Extends a reservation to `holdMs` after it was made. It is never shortened, so a repetition is safe. */
export interface Extend extends Origin, OfOwner {
  /** Discriminates commands; also the kind of the event. */
  readonly kind: "extend";
  /** The shop's id, 1..{@link limits.idBytesMax} bytes. All clients share one space of them. */
  readonly orderId: string;
  /** {@link limits.holdMinMs}..{@link limits.holdLongestMs}, counted from when the reservation was made. */
  readonly holdMs: number;
}

/** Returns sold units to the stock; a return is identified by (order id, return id, SKU). */
export interface Return extends Origin, OfOwner {
  /** Discriminates commands; also the kind of the event. */
  readonly kind: "return";
  /** The shop's id, 1..{@link limits.idBytesMax} bytes. All clients share one space of them. */
  readonly orderId: string;
  /** Identifies the return, together with order and SKU. */
  readonly returnId: string;
  /** Each of another SKU. */
  readonly lines: readonly Line[];
  /** Reason as text: 0..{@link limits.noteCharsMax} characters. */
  readonly reason: string;
  /** Its lines in the ledger, for a shard that may have forgotten them; null = not read. */
  readonly ledger: Recalled | null;
}

/** The ledger's lines of an order and of one of its returns, in one shard. */
export interface Recalled {
  /** Last number in the ledger when it was read. */
  readonly appliedSeq: number;
  /** The order's lines. */
  readonly sold: readonly RememberedLine[];
  /** The return's lines; none = it was not applied. */
  readonly returned: readonly RememberedLine[];
}

/** Adds units to a SKU, or removes them; creates the SKU when `delta` >= 0. */
export interface Adjust extends Origin {
  /** Discriminates commands; also the kind of the event. */
  readonly kind: "adjust";
  /** Identifies the adjustment, together with the SKU. A name space of its own, apart from order ids. */
  readonly adjustmentId: string;
  /** Whose units; it need not exist when `delta` >= 0. */
  readonly sku: string;
  /** Units, -{@link limits.quantityMax}..{@link limits.quantityMax}. */
  readonly delta: number;
  /** Reason as text: 0..{@link limits.noteCharsMax} characters. */
  readonly reason: string;
  /** A document of another system, e.g. a delivery note: 0..{@link limits.noteCharsMax} characters. */
  readonly reference: string;
  /** Set by the worker: returns `delta` units of a second sale, less its returned units, and corrects its line. */
  readonly secondSale?: SecondSale;
}

/** An order's line that was sold again after its shard had forgotten it. */
export interface SecondSale {
  /** The order. */
  readonly orderId: string;
  /** Number of the second sale's event. */
  readonly seq: number;
  /** Units of the first sale that were still sold then; they remain sold, less the units returned since. */
  readonly soldUnits: number;
  /** Units returned since then, for a shard that does not remember the second sale. */
  readonly returnedUnits: number;
}

/** Sets a SKU's available units if they are as expected. Shares its ids with {@link Adjust}. */
export interface SetStock extends Origin {
  /** Discriminates commands; also the kind of the event. */
  readonly kind: "set";
  /** Identifies the adjustment, together with the SKU. A name space of its own, apart from order ids. */
  readonly adjustmentId: string;
  /** Whose units: an id of 1..{@link limits.idBytesMax} bytes. */
  readonly sku: string;
  /** Units, 0..{@link limits.quantityMax}. */
  readonly available: number;
  /** Expected units; null = the SKU has no stock yet: it does not exist, or was created by its rules. */
  readonly expected: number | null;
  /** Reason as text: 0..{@link limits.noteCharsMax} characters. */
  readonly reason: string;
  /** A document of another system, e.g. a delivery note: 0..{@link limits.noteCharsMax} characters. */
  readonly reference: string;
}

/** Pauses or resumes the sale of a SKU, from the next decision on. */
export interface Pause extends Origin {
  /** Discriminates commands; also the kind of the event. */
  readonly kind: "pause" | "resume";
  /** Whose units: an id of 1..{@link limits.idBytesMax} bytes. */
  readonly sku: string;
  /** Reason as text: 0..{@link limits.noteCharsMax} characters. */
  readonly reason: string;
}

/**
 * Sets the rules of a SKU. Replaces all of them but the pause. Earlier purchases continue to count for the quota, except
 * after a quota where there was none, another `opensAtMs`, or a sale that has been closed for a day or longer.
 * Accepted without effect when the rules are as asked already. `seq` of the outcome is the version of the rules.
 */
export interface SetRules extends Origin {
  /** Discriminates commands; also the kind of the event. */
  readonly kind: "rules";
  /** Whose units: an id of 1..{@link limits.idBytesMax} bytes. */
  readonly sku: string;
  /** Sold from then on, ms since 1970; null = from ever. */
  readonly opensAtMs: number | null;
  /** Sold until then, ms since 1970; null = for ever. */
  readonly closesAtMs: number | null;
  /** Units a user may buy within the window; null = any number. */
  readonly quota: number | null;
  /** A sale requires a purchase token. */
  readonly tokenRequired: boolean;
  /** The version of the rules that the caller has seen, 0 = none were set; null = the SKU must not exist, and is created. */
  readonly expected: number | null;
}

/** All rules of a SKU's sale without the version that they replace. */
export type SaleRules = Pick<SetRules, "opensAtMs" | "closesAtMs" | "quota" | "tokenRequired">;

/** Reads one SKU. It is decided like a sale, so only a verified store answers. */
export interface ReadStock {
  /** Discriminates commands; a read has no event. */
  readonly kind: "stock";
  /** Whose units: an id of 1..{@link limits.idBytesMax} bytes. */
  readonly sku: string;
}

/** Reads the remembered lines of an order. */
export interface Lookup {
  /** Discriminates commands; a read has no event. */
  readonly kind: "lookup";
  /** Finds sales only: adjustments have their own ids. */
  readonly orderId: string;
}

/** Any command of a shard. */
export type Command =
  | Sale
  | Prepare
  | Confirm
  | Cancel
  | Extend
  | Settle
  | Return
  | Adjust
  | SetStock
  | Pause
  | SetRules
  | ReadStock
  | Lookup;

/** The SKUs that determine a command's shard; empty for a command to every shard. */
export function routingSkus(command: Command): readonly string[] {
  switch (command.kind) {
    case "deduct":
    case "order":
    case "reserve":
    case "prepare":
    case "return":
      return command.lines.map((line) => line.sku);
    case "confirm":
    case "cancel":
    case "extend":
    case "commit":
    case "abort":
    case "lookup":
      return [];
    default:
      return [command.sku];
  }
}

/** The part of a batch that a command uses: its lines, because a line costs reads, writes and bytes. */
export function weight(command: Command): number {
  switch (command.kind) {
    case "deduct":
    case "order":
    case "reserve":
    case "prepare":
    case "return":
      return command.lines.length;
    case "confirm":
    case "cancel":
    case "extend":
    case "commit":
    case "abort":
      return 4; // only the store knows the number of lines: it postpones a command that does not fit
    default:
      return 1;
  }
}
