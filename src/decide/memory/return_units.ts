/**
 * `lua/return_units.lua` in TypeScript: returns sold units to the stock, never more than was sold.
 *
 * @module
 */
import { limits, type Return } from "../../domain/command.ts";
import { type Decided, isForeign, type RememberedLine, unsettled } from "../../domain/outcome.ts";
import { returnKey } from "../../domain/remembered_line.ts";
import { pastLines } from "./replay.ts";
import { accepted, type ShardState } from "./state.ts";

/** Decides a return. */
export function returnUnits(state: ShardState, command: Return): Decided {
  const { orderId, returnId, lines, reason, owner } = command;
  const key = returnKey(orderId, returnId);
  const asked = askLedger(state, key, command);
  if ("kind" in asked) return asked;
  const known = state.remembered.get(orderId) ?? asked.sold;
  const isOther = known?.some((line) => isForeign(line, owner) && lines.some(({ sku }) => sku === line.sku));
  if (isOther) return { kind: "forbidden" };
  const returned = asked.returned ?? state.remembered.get(key);
  const past = pastLines(returned, { kind: "return", lines });
  if (past.kind === "differs") return { kind: "conflict", sku: past.sku };
  if (past.kind === "same") {
    return { ...accepted(past.first.seq, past.lines.map((line) => line.newStock)), replayed: true };
  }
  if (!known) return { kind: "unknown_order" };
  const refusal = whyNot(state, command, known);
  if (refusal) return refusal;

  const seq = ++state.seq;
  state.remembered.set(orderId, known);
  if (returned) state.remembered.set(key, returned);
  let userId = "";
  const facts = lines.map(({ sku, amount }) => {
    const sold = state.line(orderId, sku);
    userId = sold?.userId ?? "";
    state.rewrite(orderId, (line) => line === sold ? { ...line, units: line.units - amount } : line);
    const fact = state.move(sku, amount, 0);
    state.countQuota(userId, sku, -amount, sold?.seq ?? 0);
    const newStock = fact.available;
    const what = { sku, kind: "return", amount, newStock, seq, atMs: state.nowMs, userId };
    state.remember(key, { ...what, ...unsettled });
    return fact;
  });
  const reference = returnId;
  state.write("return", { id: orderId, userId, origin: command, reason, reference, lines: facts });
  return accepted(seq, facts.map((fact) => fact.available));
}

/** Whether a return of an order may have been forgotten. It is later than its sale, and subtracts units from the line. */
function mayBeForgotten({ forgottenSeq }: ShardState, known: readonly RememberedLine[] | undefined): boolean {
  if (!known) return forgottenSeq > 0;
  return known.some(({ seq, state, settledUnits, amount, units }) =>
    seq <= forgottenSeq && units < (state === "confirmed" ? settledUnits : amount)
  );
}

interface Borrowed {
  readonly returned?: readonly RememberedLine[] | undefined;
  readonly sold?: readonly RememberedLine[] | undefined;
}

/** The return and its order as the ledger has them, where this shard may have forgotten them; or the refusal. */
function askLedger(state: ShardState, key: string, { orderId, ledger }: Return): Borrowed | Decided {
  if (state.remembered.get(key) || !mayBeForgotten(state, state.remembered.get(orderId))) return {};
  if (ledger === null) return { kind: "forgotten" };
  if (ledger.appliedSeq < state.forgottenSeq) return { kind: "ledger_behind" };
  const { returned, sold } = ledger;
  return {
    returned: returned.length > 0 ? returned : undefined,
    sold: sold.length > 0 ? sold : undefined,
  };
}

function whyNot(state: ShardState, { lines }: Return, known: readonly RememberedLine[]): Decided | undefined {
  for (const { sku, amount } of lines) {
    const sold = known.find((line) => line.sku === sku);
    const units = sold?.state === "accepted" || sold?.state === "confirmed" ? sold.units : 0;
    if (amount > units) return { kind: "exceeds", sku, units };
    const stock = state.stock.get(sku);
    if (!stock) return { kind: "unknown_sku", sku };
    if (stock.available + stock.reserved + amount > limits.quantityMax) {
      return { kind: "stock_limit", sku, available: stock.available };
    }
  }
  return undefined;
}
