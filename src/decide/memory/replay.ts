/**
 * Repeated commands: compares a command with the remembered lines, as `lua/state.lua` does.
 *
 * @module
 */
import type { Line } from "../../domain/command.ts";
import type { Decided, RememberedLine } from "../../domain/outcome.ts";
import type { ShardState } from "./state.ts";

/** The remembered lines of a command. */
export type Past =
  /** No SKU of it. */
  | { readonly kind: "none" }
  /** The same command: its lines in the order of the request, and the first of them. */
  | { readonly kind: "same"; readonly lines: readonly RememberedLine[]; readonly first: RememberedLine }
  /** Another command under the same id; `sku` is the first that differs. */
  | { readonly kind: "differs"; readonly sku: string };

/** What identifies a command in addition to its id; without `userId` the user is not compared. */
export interface Asked {
  /** The kind of its event. */
  readonly kind: string;
  /** Who bought. */
  readonly userId?: string;
  /** SKUs differ. */
  readonly lines: readonly Line[];
}

/** Finds a repeated command. Lines of one command have the same number. */
export function pastLines(remembered: readonly RememberedLine[] = [], asked: Asked): Past {
  const bySku = new Map(remembered.map((line) => [line.sku, line]));
  const past = asked.lines.map(({ sku }) => bySku.get(sku));
  const first = past.find((line) => line !== undefined);
  if (!first) return { kind: "none" };
  const lines: RememberedLine[] = [];
  for (const [i, { sku, amount }] of asked.lines.entries()) {
    const line = past[i];
    const isSame = line?.seq === first.seq && line.kind === asked.kind && line.amount === amount &&
      (asked.userId === undefined || line.userId === asked.userId);
    if (!isSame) return { kind: "differs", sku };
    lines.push(line);
  }
  const ofCommand = remembered.filter(({ seq }) => seq === first.seq).length;
  if (ofCommand > lines.length) return { kind: "differs", sku: first.sku };
  return { kind: "same", lines, first };
}

/** The last line of an order's reservation. */
export function reservedLine(state: ShardState, orderId: string): RememberedLine | undefined {
  return state.remembered.get(orderId)?.findLast((line) => line.kind === "reserve");
}

/** The outcome of a call after the end of a reservation. */
export function endedAnswer({ state }: RememberedLine): Decided {
  switch (state) {
    case "confirmed":
      return { kind: "already_confirmed" };
    case "cancelled":
      return { kind: "already_cancelled" };
    default:
      return { kind: "reservation_expired" };
  }
}
