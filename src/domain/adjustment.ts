/**
 * The answer to an adjustment that was made before: by the store that remembers it, or by the ledger.
 *
 * @module
 */
import type { Adjust, SetStock } from "./command.ts";
import type { Decided, RememberedLine } from "./outcome.ts";

/** What is known of an adjustment that was made. */
export type MadeAdjustment = Pick<RememberedLine, "kind" | "amount" | "newStock" | "seq">;

/** What the ledger of a shard knows of an adjustment. */
export interface FoundAdjustment {
  /** Undefined when no such change is applied. */
  readonly made: MadeAdjustment | undefined;
  /** Last number applied. */
  readonly appliedSeq: number;
}

/** The first answer if this very change was made before, a conflict if another one was. */
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
 * What was asked follows from what is remembered: a `set` found the figure after it less the change, a `create` no
 * stock.
 */
function isSame({ kind, amount, newStock }: MadeAdjustment, command: Adjust | SetStock): boolean {
  if (command.kind === "adjust") {
    return kind !== "set" && (command.secondSale !== undefined || amount === command.delta);
  }
  if (newStock !== command.available) return false;
  if (command.expected === null) return kind === "create";
  return kind === "set" && newStock - amount === command.expected;
}
