/**
 * Prepares a batch before its transaction begins, so that no lock waits for it.
 *
 * @module
 */
import type { LogEntry, Position } from "../../domain/event.ts";
import { type Plan, planBatch, toMovements } from "../movements.ts";

/**
 * The contents of a transaction, prepared before it begins, because a session in a transaction may be silent for only
 * 3 s.
 */
export interface Prepared {
  /** The cursor that the batch requires. */
  readonly cursor: Position;
  /** The events to apply, or why there are none. */
  readonly plan: Plan;
  /** The movements as JSON; empty when there are none to apply. */
  readonly movements: string;
}

/** The cursor before the entries. */
export function before([first]: readonly LogEntry[]): Position {
  return { epoch: first?.position.epoch ?? 0, seq: (first?.events[0]?.seq ?? 1) - 1 };
}

/** Plans entries and prepares the parameters of their transaction. */
export function prepare(entries: readonly LogEntry[], cursor: Position): Prepared {
  const plan = planBatch(entries, cursor);
  const movements = plan.kind === "apply" ? JSON.stringify(toMovements(plan.events)) : "";
  return { cursor, plan, movements };
}
