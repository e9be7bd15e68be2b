/**
 * What can be made of a batch before its transaction begins, so that no lock waits for it.
 *
 * @module
 */
import type { LogEntry, Position } from "../../domain/event.ts";
import { type Plan, planBatch, toMovements } from "../movements.ts";

/** What a transaction will write, made before it begins: a session in a transaction may be silent for 3 s only. */
export interface Prepared {
  /** Where the ledger must be. */
  readonly cursor: Position;
  /** What is applied, or why nothing can be. */
  readonly plan: Plan;
  /** The movements as JSON; empty when nothing can be applied. */
  readonly movements: string;
}

/** Where the ledger is if the entries follow on them. */
export function before([first]: readonly LogEntry[]): Position {
  return { epoch: first?.position.epoch ?? 0, seq: (first?.events[0]?.seq ?? 1) - 1 };
}

/** Plans entries, and makes what a transaction sends for them. */
export function prepare(entries: readonly LogEntry[], cursor: Position): Prepared {
  const plan = planBatch(entries, cursor);
  const movements = plan.kind === "book" ? JSON.stringify(toMovements(plan.events)) : "";
  return { cursor, plan, movements };
}
