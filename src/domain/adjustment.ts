/**
 * The replay of an adjustment, from a remembered line or from the ledger.
 *
 * @module
 */
import type { Adjust, SetStock } from "./command.ts";
import type { Decided, RememberedLine } from "./outcome.ts";

/** An adjustment that was accepted before. */
export type MadeAdjustment = Pick<RememberedLine, "kind" | "amount" | "newStock" | "seq">;

/** An adjustment in the ledger of a shard. */
export interface FoundAdjustment {
  /** Undefined when no such change is applied. */
  readonly made: MadeAdjustment | undefined;
  /** Last number applied. */
  readonly appliedSeq: number;
}

/** The first response if the same change was accepted before, a conflict if another one was. */
export function repeatedAdjustment(made: MadeAdjustment, command: Adjust | SetStock): Decided {
  if (!isSame(made, command)) return { kind: "conflict", sku: command.sku };
  const { kind, seq, newStock } = made;
  return {
    ...{ kind: "accepted", seq, newStock: [newStock], expiresAtMs: 0 },
    replayed: true,
    created: kind === "create",
  };
}

/**
 * The original request follows from the remembered line: a `set` expected the stock after it less the change, a `create`
 * expected no stock.
 */
function isSame({ kind, amount, newStock }: MadeAdjustment, command: Adjust | SetStock): boolean {
  if (command.kind === "adjust") {
    return kind !== "set" && (command.secondSale !== undefined || amount === command.delta);
  }
  if (newStock !== command.available) return false;
  if (command.expected === null) return kind === "create";
  return kind === "set" && newStock - amount === command.expected;
}
