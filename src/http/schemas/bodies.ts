/**
 * The contents of request bodies, checked.
 *
 * @module
 */
import type { Line } from "../../domain/command.ts";

/** Contents of a deduct. */
export interface DeductBody {
  /** What is bought. */
  readonly sku: string;
  /** Who buys. */
  readonly userId: string;
  /** The order, chosen by the client. */
  readonly orderId: string;
  /** Units, 1..`limits.amountMax`. */
  readonly amount: number;
}

/** Contents of a basket. */
export interface BasketBody {
  /** The order, chosen by the client. */
  readonly orderId: string;
  /** Who buys. */
  readonly userId: string;
  /** 1..`limits.orderLinesMax`; lines of the same SKU are one line with the sum of their units. */
  readonly lines: readonly Line[];
}

/** Contents of a reservation. */
export interface ReserveBody extends BasketBody {
  /** How long the units are held, milliseconds. */
  readonly holdMs: number;
}

/** Contents of a confirmation. */
export interface ConfirmBody {
  /** What becomes a sale, as in {@link BasketBody}; null = everything that is held. */
  readonly lines: readonly Line[] | null;
}

/** Contents of an extension. */
export interface ExtendBody {
  /** How long the units are held, milliseconds, counted from when the reservation was made. */
  readonly holdMs: number;
}

/** Contents of a return. */
export interface ReturnBody {
  /** Chosen by the client; the same one takes effect once. */
  readonly returnId: string;
  /** What comes back, as in {@link BasketBody}. */
  readonly lines: readonly Line[];
  /** For people; may be empty. */
  readonly reason: string;
}

/** Contents of an adjustment. */
export interface AdjustBody {
  /** Chosen by the client; the same one takes effect once. */
  readonly adjustmentId: string;
  /** Units, -`limits.quantityMax`..`limits.quantityMax`; 0 makes a SKU that has no units yet. */
  readonly delta: number;
  /** For people; may be empty. */
  readonly reason: string;
  /** A document elsewhere; may be empty. */
  readonly reference: string;
}

/** Contents of a compare-and-set. */
export interface SetBody {
  /** Chosen by the client; the same one takes effect once. */
  readonly adjustmentId: string;
  /** Units from now on. */
  readonly available: number;
  /** What they must be now; null = the SKU must not exist. */
  readonly expected: number | null;
  /** For people; may be empty. */
  readonly reason: string;
  /** A document elsewhere; may be empty. */
  readonly reference: string;
}

/** Contents of a pause and of its end. */
export interface PauseBody {
  /** For people; may be empty. */
  readonly reason: string;
}

/** Contents of a SKU's rules: all of them, because they replace all. */
export interface RulesBody {
  /** Sold from then on, milliseconds since 1970; null = from ever. */
  readonly opensAtMs: number | null;
  /** Sold until then, milliseconds since 1970; null = for ever. */
  readonly closesAtMs: number | null;
  /** Units a user may buy within the window; null = any number. */
  readonly quota: number | null;
  /** A sale needs a purchase token. */
  readonly tokenRequired: boolean;
  /** The version of the rules that the caller has seen; null = the SKU must not exist, and is created. */
  readonly expected: number | null;
}

/** The rules of a sale without the version that they replace. */
export type SaleRules = Omit<RulesBody, "expected">;
