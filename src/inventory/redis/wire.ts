/**
 * How commands and replies travel between TypeScript and `lua/inventory.lua`. The header of that file
 * is the contract; `tests/tidy_test.ts` holds this table against it.
 *
 * @module
 */
import type { Command } from "../command.ts";
import type { Decided, RememberedLine } from "../outcome.ts";
import type { Timed } from "../store.ts";
import { integer, list, text } from "../../redis/reply.ts";

/** One command's reply: its kind, then what the script's header names for that kind. Still unchecked. */
export type Reply = readonly [string, ...unknown[]];

/** One reply of Lua, one outcome: the table of this boundary. */
export const decodeReply: Readonly<Record<string, (reply: Reply) => Decided>> = {
  accepted: (reply) => accepted(reply, {}),
  created: (reply) => accepted(reply, { created: true }),
  replayed: (reply) => accepted(reply, { replayed: true }),
  replayed_created: (reply) => accepted(reply, { replayed: true, created: true }),
  conflict: (reply) => ({ kind: "conflict", sku: text(reply[1]) }),
  unknown_sku: (reply) => ({ kind: "unknown_sku", sku: text(reply[1]) }),
  paused: (reply) => ({ kind: "paused", sku: text(reply[1]) }),
  insufficient: (reply) => ({ kind: "insufficient", sku: text(reply[1]), available: integer(reply[2]) }),
  rate_limited: (reply) => ({ kind: "rate_limited", sku: text(reply[1]), retryAfterMs: integer(reply[2]) }),
  stock_limit: (reply) => ({ kind: "stock_limit", sku: text(reply[1]), available: integer(reply[2]) }),
  order_full: () => ({ kind: "order_full" }),
  backlog_full: () => ({ kind: "backlog_full" }),
  late: () => ({ kind: "late" }),
  stock: (reply) => ({
    kind: "stock",
    sku: text(reply[1]),
    available: integer(reply[2]),
    reserved: integer(reply[3]),
    paused: integer(reply[4]) === 1,
    seq: integer(reply[5]),
  }),
  order: (reply) => ({ kind: "order", lines: reply[1] === null ? [] : list(reply[1]).map(rememberedLine) }),
};

/** A reply of the script to a whole batch. */
export type BatchReply =
  | { kind: "decided"; timeMs: number; head: number; outcomes: Decided[] }
  | { kind: "unarmed"; timeMs: number }
  | { kind: "stale_epoch" | "stale_server"; timeMs: number; epoch: number }
  | { kind: "foreign"; timeMs: number; what: string };

/** Commands as the script takes them: one JSON array, positions as in the script's header. */
export function encodeBatch(batch: readonly Timed[]): string {
  return JSON.stringify(batch.map(({ command, deadlineMs }) => encodeCommand(command, deadlineMs)));
}

function encodeCommand(c: Command, deadlineMs: number): unknown[] {
  switch (c.kind) {
    case "deduct": {
      const lines = c.lines.map((line) => [line.sku, line.amount]);
      return [c.kind, deadlineMs, c.orderId, c.userId, c.fingerprint, c.actor, c.traceparent, lines];
    }
    case "adjust": {
      const note = [c.actor, c.traceparent, c.reason, c.reference];
      return [c.kind, deadlineMs, c.adjustmentId, c.sku, c.delta, c.fingerprint, ...note];
    }
    case "stock":
      return [c.kind, deadlineMs, c.sku];
    case "lookup":
      return [c.kind, deadlineMs, c.orderId];
  }
}

/**
 * Reads the script's reply to a whole batch, which is JSON.
 *
 * @throws {TypeError} when the reply is not one that the script's header names
 */
export function decodeBatch(reply: unknown): BatchReply {
  const [kind, time, number, replies] = list(JSON.parse(text(reply)));
  const timeMs = integer(time);
  switch (kind) {
    case "decided":
      return { kind, timeMs, head: integer(number), outcomes: list(replies).map(decodeOne) };
    case "unarmed":
      return { kind, timeMs };
    case "stale_epoch":
    case "stale_server":
      return { kind, timeMs, epoch: integer(number) };
    case "foreign":
      return { kind, timeMs, what: text(number) };
    default:
      throw new TypeError(`Cannot read a script's reply as it is of no known kind: '${kind}'`);
  }
}

function decodeOne(value: unknown): Decided {
  const [kind] = list(value);
  const decode = typeof kind === "string" ? decodeReply[kind] : undefined;
  if (!decode) throw new TypeError(`Cannot read a command's reply as it is of no known kind: '${kind}'`);
  return decode(value as unknown as Reply);
}

function accepted(reply: Reply, flags: { replayed?: true; created?: true }): Decided {
  const newStock = list(reply[2]).map(integer);
  return {
    kind: "accepted",
    seq: integer(reply[1]),
    newStock,
    replayed: flags.replayed ?? false,
    created: flags.created ?? false,
  };
}

function rememberedLine(value: unknown): RememberedLine {
  const [sku, fingerprint, kind, amount, newStock, seq, atMs, userId] = list(value);
  return {
    sku: text(sku),
    fingerprint: text(fingerprint),
    kind: text(kind),
    amount: integer(amount),
    newStock: integer(newStock),
    seq: integer(seq),
    atMs: integer(atMs),
    userId: text(userId),
  };
}
