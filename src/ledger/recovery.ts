/**
 * Lost numbers, and an operator's decision about them.
 *
 * @module
 */
import type { InventoryEvent, Position } from "../domain/event.ts";
import type { Correction } from "./corrections.ts";

/** An operator accepts that the numbers after `fromSeq` up to `toSeq` are neither in the ledger nor in the log. */
export interface LossAccepted {
  /** Last number applied, as the operator saw it. */
  readonly fromSeq: number;
  /** Last lost number. */
  readonly toSeq: number;
  /**
   * Whose stock is valid. `store`: the ledger is corrected to the store. `ledger`: the store is rebuilt from the
   * ledger.
   */
  readonly source: "store" | "ledger";
  /** For example `cli:alice`. */
  readonly actor: string;
  /** A sentence for people. */
  readonly reason: string;
}

/** An accepted loss that waits for the shard's worker. */
export interface Recovery extends LossAccepted {
  /** Increases. */
  readonly id: number;
}

/** A jump of the ledger over lost numbers. */
export interface Jump {
  /** The last lost number, and the epoch of the numbers after it. */
  readonly to: Position;
  /** Who decided it; `worker` when no operator had to. */
  readonly actor: string;
  /** A sentence for people. */
  readonly reason: string;
  /**
   * The differences between the ledger and the store's stock before `recalled`; applied after the last applied
   * number.
   */
  readonly corrections?: readonly Correction[];
  /**
   * The events of lost numbers that the store remembers, by number. They continue the stock after the corrections.
   */
  readonly recalled?: readonly InventoryEvent[];
  /** The recovery that is closed with it. */
  readonly recoveryId?: number;
}
