/**
 * What can be asked of a shard, in the words of the business. The store decides a batch of these at
 * once; how they travel is the adapter's affair (`redis/wire.ts`).
 *
 * @module
 */

/** Bounds that hold for every command. The HTTP edge enforces them; the store relies on them. */
export const limits = {
  /** Bytes (UTF-8) of a SKU, user, order or adjustment id. */
  idBytesMax: 128,
  /** Units in one line of an order. */
  amountMax: 1_000_000,
  /** Units of one SKU, and the largest change of them: cjson prints 14 digits, 10^12 has 13. */
  quantityMax: 1_000_000_000_000,
  /** Lines of one order that a shard remembers. */
  orderLinesMax: 100,
  /** Characters of a reason or a reference. */
  noteCharsMax: 256,
} as const;

/** Some units of one SKU. */
export interface Line {
  /** What is bought: an id of 1..{@link limits.idBytesMax} bytes. */
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

/** Take units for good. A line is identified by (order id, SKU) and accepted at most once. */
export interface Deduct extends Origin {
  /** Tells the commands apart; also the kind of its event. */
  readonly kind: "deduct";
  /** The shop's id, 1..{@link limits.idBytesMax} bytes. All clients share one space of them. */
  readonly orderId: string;
  /** Who buys: the user limit counts by user and SKU. */
  readonly userId: string;
  /** All or none: 1..{@link limits.orderLinesMax}, each of another SKU. */
  readonly lines: readonly Line[];
  /** Short digest of kind, user and lines: the same id with another fingerprint is a conflict. */
  readonly fingerprint: string;
  /** The client says that it never sent this before, so it cannot be the retry of an accepted sale. */
  readonly firstAttempt: boolean;
}

/** Add units to a SKU, or take them away; creates the SKU when `delta` >= 0. */
export interface Adjust extends Origin {
  /** Tells the commands apart; the event says `create` instead when it made the SKU. */
  readonly kind: "adjust";
  /** With the SKU, what identifies the adjustment. Its name space is not that of the order ids. */
  readonly adjustmentId: string;
  /** Whose units; it need not exist when `delta` >= 0. */
  readonly sku: string;
  /** Units, -{@link limits.quantityMax}..{@link limits.quantityMax}. */
  readonly delta: number;
  /** Why, in the operator's words: 0..{@link limits.noteCharsMax} characters. */
  readonly reason: string;
  /** What it belongs to elsewhere, e.g. a delivery note: 0..{@link limits.noteCharsMax} characters. */
  readonly reference: string;
  /** Short digest of SKU and delta: the same id with another fingerprint is a conflict. */
  readonly fingerprint: string;
}

/** Read one SKU. Goes the same way as a sale, so it is answered by a verified store or not at all. */
export interface ReadStock {
  /** Tells the commands apart; a read leaves no event. */
  readonly kind: "stock";
  /** Whose figures; `unknown_sku` when the shard does not have it. */
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
export type Command = Deduct | Adjust | ReadStock | Lookup;

/** The SKU that says which shard a command goes to; undefined for one that every shard is asked. */
export function routingSku(command: Command): string | undefined {
  switch (command.kind) {
    case "deduct":
      return command.lines[0]?.sku;
    case "lookup":
      return undefined;
    default:
      return command.sku;
  }
}

/** How much of a batch's room a command takes: its lines, because a line costs reads, writes and bytes. */
export function weight(command: Command): number {
  return command.kind === "deduct" ? command.lines.length : 1;
}
