/**
 * Encodes lines and policies for Lua; positions as in the header of `lua/state.lua`.
 *
 * @module
 */
import { integer, list, text } from "./reply.ts";
import type { StoredPolicy } from "../domain/event.ts";
import type { Line } from "../domain/command.ts";
import { isSale, type LineState, type RememberedLine, type Rules, rulesOf } from "../domain/outcome.ts";

const lineStates: readonly string[] = [
  "accepted",
  "held",
  "confirmed",
  "cancelled",
  "expired",
] satisfies LineState[];

/** SKUs and amounts of a command. */
export function linesOf(lines: readonly Line[]): unknown[] {
  return lines.map((line) => [line.sku, line.amount]);
}

/** Encodes a remembered line. */
export function encodeLine(line: RememberedLine): unknown[] {
  const { sku, kind, amount, newStock, seq, atMs, userId } = line;
  const every = [sku, line.attempt, kind, amount, newStock, seq, atMs, userId];
  if (!isSale(line)) return every;
  const { state, units, holdMs, expiresAtMs, actor } = line;
  const { settledSeq, settledUnits, settledStock } = line;
  const settled = [settledSeq, "", settledUnits, settledStock];
  const owned = actor === "" ? [] : [actor];
  return [...every, state, units, holdMs, expiresAtMs, ...settled, ...owned];
}

/** Decodes and checks a remembered line. */
export function decodeLine(value: unknown): RememberedLine {
  const line = list(value);
  const state = line.length > 8 ? text(line[8]) : "accepted";
  if (!lineStates.includes(state)) {
    throw new TypeError(`Cannot read a line as its state is unknown: '${state}'`);
  }
  const quantity = (index: number) => line.length > 8 ? integer(line[index]) : 0;
  return {
    sku: text(line[0]),
    kind: text(line[2]),
    amount: integer(line[3]),
    newStock: integer(line[4]),
    seq: integer(line[5]),
    atMs: integer(line[6]),
    userId: text(line[7]),
    state: state as LineState,
    units: quantity(9),
    holdMs: quantity(10),
    expiresAtMs: quantity(11),
    settledSeq: quantity(12),
    settledUnits: quantity(14),
    settledStock: quantity(15),
    actor: line.length > 16 ? text(line[16]) : "",
    // Earlier versions kept a digest here, in lines of every kind that they had.
    attempt: line[2] === "prepare" ? text(line[1]) : "",
  };
}

/** Decodes a policy as the rules of a sale. */
export function decodePolicy(value: unknown): Rules {
  return rulesOf((value ?? {}) as StoredPolicy);
}
