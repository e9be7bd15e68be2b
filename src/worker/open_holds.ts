/**
 * Reservations that are open in the ledger, compared with those that a store remembers.
 *
 * @module
 */
import type { RememberedLine } from "../domain/outcome.ts";
import type { LineRow } from "../domain/rows.ts";
import type { ShardLedger } from "../ledger/ledger.ts";
import type { World } from "../runtime/world.ts";

/** A remembered line and its name in the store. */
export interface NamedLine {
  readonly name: string;
  readonly line: RememberedLine;
}

const pageRows = 1000;
const dayMs = 86_400_000;

/** Identifies a line by its name and more. */
export function key(...names: readonly (string | number)[]): string {
  return JSON.stringify(names);
}

/** What is held in the ledger. */
export interface HeldInLedger {
  /** Open reservations. */
  readonly open: readonly LineRow[];
  /** Lines that are prepared and not decided, also a second time. */
  readonly prepared: readonly LineRow[];
}

/** Nothing is held. */
export const noneHeld: HeldInLedger = { open: [], prepared: [] };

/** Lines that are held in the ledger. */
export async function heldInLedger(
  ledger: Pick<ShardLedger, "lines" | "heldAside">,
  world: World,
): Promise<HeldInLedger> {
  const held: LineRow[] = [];
  const sinceMs = world.now() + dayMs; // no line is as new: only open reservations are paged
  for (let after: { seq: number; line: number } | undefined = { seq: 0, line: 0 }; after;) {
    const page: Awaited<ReturnType<ShardLedger["lines"]>> = await ledger.lines(sinceMs, after, pageRows);
    held.push(...page.rows.filter(({ state }) => state === "held"));
    after = page.next;
  }
  held.push(...(await ledger.heldAside()).filter(({ kind }) => kind === "prepare"));
  return {
    open: held.filter(({ kind }) => kind === "reserve"),
    prepared: held.filter(({ kind }) => kind === "prepare"),
  };
}

/** Reservations whose expiry is later than in the ledger. */
export function extended(held: readonly NamedLine[], open: readonly LineRow[]): NamedLine[] {
  const known = new Map(open.map(({ id, sku, expiresAtMs }) => [key(id, sku), expiresAtMs]));
  const longer = held.filter(({ name, line }) =>
    (known.get(key(name, line.sku)) ?? Infinity) < line.expiresAtMs
  );
  return [...new Map(longer.map((named) => [key(named.name, named.line.sku), named])).values()];
}

/**
 * Open reservations of the ledger that the store does not remember: it forgets none before its end, and how they ended is
 * lost. Left open, they would end again in the next rebuilt store, and give back units that are sold.
 */
export function ended(remembered: readonly NamedLine[], open: readonly LineRow[]): LineRow[] {
  const known = new Set(remembered.map(({ name, line }) => key(name, line.sku, line.seq)));
  return open.filter(({ id, sku, seq }) => !known.has(key(id, sku, seq)));
}
