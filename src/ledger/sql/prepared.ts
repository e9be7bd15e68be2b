/**
 * Prepares a batch before its transaction begins, so that no lock waits for it.
 *
 * @module
 */
import type { LogEntry, Position } from "../../domain/event.ts";
import { type Numbered, type Plan, planBatch, toMovements } from "../movements.ts";
import type { Lease, OneStatement } from "./backend.ts";

/**
 * The contents of a transaction, prepared before it begins, because a session in a transaction may be silent for only
 * 3 s.
 */
export interface Prepared {
  /** The cursor that the batch requires. */
  readonly cursor: Position;
  /** The events to apply, or why there are none. */
  readonly plan: Plan;
  /** The statement that applies all of it; undefined when there is none. */
  readonly oneStatement: OneStatement | undefined;
  /** The movements as JSON; empty when there are none to apply, or one statement applies all. */
  readonly movements: string;
}

/** The cursor before the entries. */
export function before([first]: readonly LogEntry[]): Position {
  return { epoch: first?.position.epoch ?? 0, seq: (first?.events[0]?.seq ?? 1) - 1 };
}

/** Plans entries and prepares the parameters of their transaction. */
export function prepare(
  entries: readonly LogEntry[],
  cursor: Position,
  lease: Pick<Lease, "oneStatement">,
): Prepared {
  const plan = planBatch(entries, cursor);
  if (plan.kind !== "apply") return { cursor, plan, oneStatement: undefined, movements: "" };
  const oneStatement = lease.oneStatement?.(plan.events);
  return { cursor, plan, oneStatement, movements: oneStatement ? "" : movementsOf(plan.events) };
}

/** Movements as a parameter of the statement `insert_movements`. */
export function movementsOf(events: readonly Numbered[]): string {
  return JSON.stringify(toMovements(events));
}
