/**
 * What is asked of an order during its life, for the suites.
 */
import assert from "node:assert/strict";
import type { Prepare, Settle } from "../../src/domain/basket.ts";
import type { Cancel, Command, Confirm, Extend, Return, Sale, SetRules } from "../../src/domain/command.ts";
import type { Outcome } from "../../src/domain/outcome.ts";
import type { StockStore } from "../../src/decide/store.ts";
import { waitFor } from "../../tools/servers/wait.ts";
import { deduct } from "./store_suite.ts";

/** Who asks in these suites. */
export const origin = { actor: "till", traceparent: "" } as const;

/** A reservation. */
export function reserve(
  orderId: string,
  amounts: Record<string, number>,
  holdMs = 600_000,
  userId = "user-1",
): Sale {
  const lines = Object.entries(amounts).map(([sku, amount]) => ({ sku, amount }));
  return {
    ...deduct(orderId, "", 1, userId),
    kind: "reserve",
    lines,
    holdMs,
  };
}

/** The part of a basket of several shards that one of them prepares. */
export function prepare(
  orderId: string,
  amounts: Record<string, number>,
  userId = "user-1",
  attempt = `0/${orderId}`,
): Prepare {
  return { ...reserve(orderId, amounts, 0, userId), kind: "prepare", attempt };
}

/** The decision on what was prepared. */
export function settle(kind: "commit" | "abort", orderId: string, preparedSeq: number): Settle {
  return { kind, orderId, preparedSeq, ...origin };
}

/** A confirmation of all, or of these units. */
export function confirm(orderId: string, amounts?: Record<string, number>): Confirm {
  const lines = amounts ? Object.entries(amounts).map(([sku, amount]) => ({ sku, amount })) : null;
  return { kind: "confirm", owner: "", orderId, lines, ...origin };
}

/** A cancellation. */
export const cancel = (orderId: string): Cancel => ({ kind: "cancel", owner: "", orderId, ...origin });
/** An extension. */
export const extend = (orderId: string, holdMs: number): Extend => ({
  kind: "extend",
  owner: "",
  orderId,
  holdMs,
  ...origin,
});

/** A return. */
export function returnUnits(orderId: string, returnId: string, amounts: Record<string, number>): Return {
  const lines = Object.entries(amounts).map(([sku, amount]) => ({ sku, amount }));
  return { kind: "return", owner: "", orderId, returnId, lines, reason: "", ledger: null, ...origin };
}

/** Rules of a sale. */
export function rules(sku: string, some: Partial<SetRules>): SetRules {
  const none = { opensAtMs: null, closesAtMs: null, quota: null, tokenRequired: false, expected: 0 };
  return { kind: "rules", sku, ...none, ...origin, ...some };
}

/** A look at a SKU. */
export const read = (sku: string): Command => ({ kind: "stock", sku });
/** The kinds of outcomes. */
export const kinds = (outcomes: readonly Outcome[]): string[] => outcomes.map((outcome) => outcome.kind);

/** What a look at a SKU found. */
export function quantities(outcome: Outcome | undefined): [available: number, reserved: number] {
  assert.equal(outcome?.kind, "stock");
  return outcome?.kind === "stock" ? [outcome.available, outcome.reserved] : [-1, -1];
}

/** Waits by the store's clock, which an empty batch tells. */
export async function waitPast(store: StockStore, atMs: number): Promise<void> {
  await waitFor(async () => (await store.decide(0, [])).timeMs >= atMs, {
    deadlineMs: 60_000,
    what: "the store's clock to pass a moment",
  });
}

/** When a reservation ends. */
export function expiryOf(outcome: Outcome | undefined): number {
  assert.equal(outcome?.kind, "accepted");
  return outcome?.kind === "accepted" ? outcome.expiresAtMs : -1;
}
