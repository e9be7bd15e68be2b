/**
 * Numbers that are lost, and what a person decided about them.
 *
 * @module
 */
import type { InventoryEvent, Position } from "../domain/event.ts";
import type { Correction } from "./corrections.ts";

/** A person accepts that the numbers after `fromSeq`, up to `toSeq`, are neither in the ledger nor in the log. */
export interface LossAccepted {
  /** Last number applied, as the person saw it. */
  readonly fromSeq: number;
  /** Last number lost. */
  readonly toSeq: number;
  /** Whose figures count. `store`: the ledger is corrected to them. `ledger`: the store is rebuilt from there. */
  readonly source: "store" | "ledger";
  /** Who, e.g. `cli:alice`. */
  readonly actor: string;
  /** Why, for people. */
  readonly reason: string;
}

/** An accepted loss that waits for the shard's worker. */
export interface Recovery extends LossAccepted {
  /** Rises. */
  readonly id: number;
}

/** How the ledger jumps over lost numbers. */
export interface Jump {
  /** The last number lost, and the epoch that goes on behind it. */
  readonly to: Position;
  /** Who decided it; `worker` when nobody had to. */
  readonly actor: string;
  /** Why, for people. */
  readonly reason: string;
  /** What the ledger lacks of the store's figures before `recalled`. They stand behind the last number applied. */
  readonly corrections?: readonly Correction[];
  /** What the store remembers of the lost numbers, by number. Its figures go on from the corrections'. */
  readonly recalled?: readonly InventoryEvent[];
  /** Closed with it. */
  readonly recoveryId?: number;
}
