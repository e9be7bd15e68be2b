/**
 * How commands and replies travel between TypeScript and `lua/decide.lua`. The header of that file
 * is the contract; `tests/tidy_test.ts` holds this table against it.
 *
 * @module
 */
import type { Replicas } from "./replicas.ts";
import { integer, list, text } from "./reply.ts";
import type { Adjust, Command } from "../domain/command.ts";
import { type Decided, type Refusal, refusalFields, type RefusalKind } from "../domain/outcome.ts";
import type { Timed } from "../decide/store.ts";
import { decodeLine, decodePolicy, encodeLine, linesOf } from "./wire_lines.ts";

/** A reply to one command: its kind, then what the kind has. */
export type Reply = readonly [string, ...unknown[]];

const refusalKinds = Object.keys(refusalFields) as readonly RefusalKind[];

/** One reply of Lua, one outcome: the table of this boundary. */
export const decodeReply: Readonly<Record<string, (reply: Reply) => Decided>> = {
  accepted: (reply) => accepted(reply, {}),
  sold: (reply) => sold(integer(reply[1]), integer(reply[2])),
  created: (reply) => accepted(reply, { created: true }),
  replayed: (reply) => accepted(reply, { replayed: true }),
  replayed_created: (reply) => accepted(reply, { replayed: true, created: true }),
  settled: (reply) => settled(reply, {}),
  replayed_settled: (reply) => settled(reply, { replayed: true }),
  extended: (reply) => ({ kind: "extended", seq: integer(reply[1]), expiresAtMs: integer(reply[2]) }),
  ...Object.fromEntries(refusalKinds.map((kind) => [kind, refusalReader(kind)])),
  stock: (reply) => ({
    kind: "stock",
    sku: text(reply[1]),
    available: integer(reply[2]),
    reserved: integer(reply[3]),
    seq: integer(reply[4]),
    ...decodePolicy(reply[5]),
  }),
  order: (reply) => ({
    kind: "order",
    lines: reply[1] === null ? [] : list(reply[1]).map(decodeLine),
    forgottenSeq: integer(reply[2]),
    windowMs: integer(reply[3]),
  }),
};

/** Reads the fields of a refusal, which stand behind its name in the order of {@link refusalFields}. */
function refusalReader(kind: RefusalKind): (reply: Reply) => Refusal {
  const fields: readonly string[] = refusalFields[kind];
  return (reply) => {
    const refusal: Record<string, unknown> = { kind };
    for (const [i, field] of fields.entries()) {
      refusal[field] = field === "sku" ? text(reply[i + 1]) : integer(reply[i + 1]);
    }
    return refusal as Refusal;
  };
}

/** A reply of the script to a whole batch. */
export type BatchReply =
  | {
    kind: "decided";
    timeMs: number;
    head: number;
    outcomes: Decided[];
    isMoreDue: boolean;
    replicas: Replicas;
    /** The limits in force when the caller's differ; else empty. */
    settings: string;
  }
  | { kind: "unarmed"; timeMs: number }
  | { kind: "stale_epoch" | "stale_server"; timeMs: number; epoch: number }
  | { kind: "foreign" | "no_rights"; timeMs: number; what: string };

/** Commands as the script takes them: one JSON array, positions as in the script's header. */
export function encodeBatch(batch: readonly Timed[]): string {
  const all = encodeAll(batch, anyText);
  // Nearly always no text has an escape, and one look at all of them is enough.
  return all.includes("\\") ? encodeAll(batch, hasNoEscape) : all;
}

const anyText = () => true;

/** Whether JSON writes texts without an escape. */
function hasNoEscape(...texts: readonly string[]): boolean {
  return !JSON.stringify(texts).includes("\\");
}

/** A plain sale must have texts that are `plain`: the script joins them into JSON. */
function encodeAll(batch: readonly Timed[], plain: (...texts: readonly string[]) => boolean): string {
  const commands: unknown[] = [];
  for (const { command, deadlineMs } of batch) {
    if (!pushPlainSale(commands, command, deadlineMs, plain)) {
      commands.push(encodeCommand(command, deadlineMs));
    }
  }
  return JSON.stringify(commands);
}

/** Adds a deduct of one SKU, as nearly every command is. */
function pushPlainSale(
  commands: unknown[],
  c: Command,
  deadlineMs: number,
  plain: (...texts: readonly string[]) => boolean,
): boolean {
  if (c.kind !== "deduct" || c.holdMs !== 0 || c.lines.length !== 1) return false;
  const { orderId, userId, actor, traceparent, hasToken, lines: [line] } = c;
  if (!line || !plain(orderId, userId, actor, traceparent, line.sku)) return false;
  commands.push(deadlineMs, orderId, userId, actor, traceparent, line.sku, line.amount, hasToken);
  return true;
}

function encodeCommand(c: Command, deadlineMs: number): unknown[] {
  switch (c.kind) {
    case "deduct":
    case "order":
    case "reserve": {
      const who = [c.orderId, c.userId, c.actor, c.traceparent];
      return [c.kind, deadlineMs, ...who, linesOf(c.lines), c.holdMs, c.hasToken];
    }
    case "prepare": {
      const who = [c.orderId, c.userId, c.actor, c.traceparent];
      return [c.kind, deadlineMs, ...who, linesOf(c.lines), c.holdMs, c.hasToken, c.attempt];
    }
    case "commit":
    case "abort":
      return [c.kind, deadlineMs, c.orderId, c.preparedSeq, c.actor, c.traceparent];
    case "confirm": {
      const lines = c.lines === null ? null : linesOf(c.lines);
      return [c.kind, deadlineMs, c.orderId, c.actor, c.traceparent, lines, c.owner];
    }
    case "cancel":
      return [c.kind, deadlineMs, c.orderId, c.actor, c.traceparent, c.owner];
    case "extend":
      return [c.kind, deadlineMs, c.orderId, c.holdMs, c.actor, c.traceparent, c.owner];
    case "return": {
      const ledger = c.ledger === null
        ? null
        : [c.ledger.appliedSeq, c.ledger.sold.map(encodeLine), c.ledger.returned.map(encodeLine)];
      return [
        c.kind,
        deadlineMs,
        c.orderId,
        c.returnId,
        c.actor,
        c.traceparent,
        c.reason,
        linesOf(c.lines),
        ledger,
        c.owner,
      ];
    }
    case "adjust": {
      const note = [c.actor, c.traceparent, c.reason, c.reference];
      return [c.kind, deadlineMs, c.adjustmentId, c.sku, c.delta, ...note, secondSaleOf(c)];
    }
    case "set": {
      const note = [c.actor, c.traceparent, c.reason, c.reference];
      const quantities = [c.available, c.expected];
      return [c.kind, deadlineMs, c.adjustmentId, c.sku, ...quantities, ...note];
    }
    case "pause":
    case "resume":
      return [c.kind, deadlineMs, c.sku, c.actor, c.traceparent, c.reason];
    case "rules": {
      const rules = [c.opensAtMs, c.closesAtMs, c.quota, c.tokenRequired];
      return [c.kind, deadlineMs, c.sku, ...rules, c.expected, c.actor, c.traceparent];
    }
    case "stock":
      return [c.kind, deadlineMs, c.sku];
    case "lookup":
      return [c.kind, deadlineMs, c.orderId];
  }
}

function secondSaleOf({ secondSale }: Adjust): unknown[] | null {
  if (!secondSale) return null;
  const { orderId, seq, soldUnits, returnedUnits } = secondSale;
  return [orderId, seq, soldUnits, returnedUnits];
}

/**
 * Reads the script's reply to a batch.
 *
 * @throws {TypeError} when the reply is not one that the script's header names
 */
export function decodeBatch(reply: unknown): BatchReply {
  const [kind, time, number, replies, replicas, disk, moreDue, settings] = list(JSON.parse(text(reply)));
  const timeMs = integer(time);
  switch (kind) {
    case "decided":
      return {
        kind,
        timeMs,
        head: integer(number),
        outcomes: decodeReplies(list(replies)),
        isMoreDue: integer(moreDue) === 1,
        replicas: { replicas: integer(replicas), onDisk: integer(disk) === 1 },
        settings: text(settings),
      };
    case "unarmed":
      return { kind, timeMs };
    case "stale_epoch":
    case "stale_server":
      return { kind, timeMs, epoch: integer(number) };
    case "foreign":
    case "no_rights":
      return { kind, timeMs, what: text(number) };
    default:
      throw new TypeError(`Cannot read a script's reply as it is of no known kind: '${kind}'`);
  }
}

/** A number is a plain sale whose event follows that of the plain sale before it. */
function decodeReplies(replies: readonly unknown[]): Decided[] {
  let soldSeq = 0;
  return replies.map((reply) => {
    if (typeof reply === "number") {
      if (soldSeq === 0) {
        throw new TypeError("Cannot read a script's reply as a sale has no number to follow");
      }
      return sold(++soldSeq, integer(reply));
    }
    const outcome = decodeOne(reply);
    if (outcome.kind === "accepted" && list(reply)[0] === "sold") soldSeq = outcome.seq;
    return outcome;
  });
}

function decodeOne(value: unknown): Decided {
  const [kind] = list(value);
  const decode = typeof kind === "string" ? decodeReply[kind] : undefined;
  if (!decode) throw new TypeError(`Cannot read a command's reply as it is of no known kind: '${kind}'`);
  return decode(value as unknown as Reply);
}

function sold(seq: number, newStock: number): Decided {
  return { kind: "accepted", seq, newStock: [newStock], replayed: false, created: false, expiresAtMs: 0 };
}

function accepted(reply: Reply, flags: { replayed?: true; created?: true }): Decided {
  return {
    kind: "accepted",
    seq: integer(reply[1]),
    newStock: list(reply[2]).map(integer),
    replayed: flags.replayed ?? false,
    created: flags.created ?? false,
    expiresAtMs: integer(reply[3]),
  };
}

function settled(reply: Reply, flags: { replayed?: true }): Decided {
  const state = text(reply[2]);
  if (state !== "confirmed" && state !== "cancelled") {
    throw new TypeError(`Cannot read a settled reservation as its state is unknown: '${state}'`);
  }
  const lines = list(reply[3]).map((line) => {
    const [sku, amount, available] = list(line);
    return { sku: text(sku), amount: integer(amount), available: integer(available) };
  });
  return { kind: "settled", state, seq: integer(reply[1]), replayed: flags.replayed ?? false, lines };
}
