/**
 * The store of an API, with its ledger.
 *
 * @module
 */
import type { StockStore } from "../decide/store.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { StopStep } from "../runtime/lifecycle.ts";

/** An opened store with its ledger. */
export interface OpenStore {
  readonly store: StockStore;
  readonly ledger: Ledger | null;
  /** Its id; null until it is known. */
  readonly deployment: () => string | null;
  readonly guaranteesOff: () => readonly string[];
  readonly stop: StopStep[];
  /** Nothing was ever sold here, and the demo is wanted. */
  readonly demoStock: boolean;
}
