/**
 * One line of a history file as a value. README.md in this folder documents the format.
 *
 * @module
 */

import {
  BadRecord,
  boolean,
  count,
  integer,
  isObject,
  list,
  member,
  type Members,
  milliseconds,
  object,
  optionalText,
  parseJson,
  shown,
  text,
} from "./fields.ts";

/** First line of a file. */
export interface Header {
  readonly type: "history";
  readonly version: 1;
  /** Every operation of every client is in the file: a sale in the log without an operation is a violation. */
  readonly complete: boolean;
  /** How old the stock in a refusal or a read may be, ms: an API may answer from a cache. */
  readonly refusalAgeMaxMs: number;
}

/** What a client asked for. `read` asks for the stock of one SKU. */
export type Call = (typeof calls)[number];
const calls = ["deduct", "order", "reserve", "confirm", "cancel", "return", "adjust", "set", "read"] as const;

/** Units of one SKU: those asked for; the signed change for `adjust`, the new stock for `set`, 0 for `read`. */
export interface Line {
  readonly sku: string;
  readonly units: number;
}

/** What a client heard. */
export type Answer =
  /** `seq` is the number in the log; `available` the units left of each line, in the order of the lines. */
  | {
    readonly kind: "accepted";
    readonly seq: number;
    readonly available: readonly number[];
    readonly replayed: boolean;
  }
  /** Certainly without an effect. `sku` and `available` where the answer names them. */
  | {
    readonly kind: "refused";
    readonly code: string;
    readonly sku: string | null;
    readonly available: number | null;
  }
  /** The stock of a SKU; `seq` is the head of the log when it was read. */
  | { readonly kind: "stock"; readonly seq: number; readonly available: number }
  /** No answer, or one that does not tell whether it took effect. */
  | { readonly kind: "unknown" };

/** One attempt of a client. The same order sent again is another operation with the same id. */
export interface Operation {
  readonly type: "operation";
  readonly call: Call;
  /** Order id, or adjustment id; empty for `read`. */
  readonly id: string;
  /** Return id of a `return`; else empty. */
  readonly reference: string;
  readonly userId: string;
  /** May be empty for `confirm` and `cancel`: the whole reservation. */
  readonly lines: readonly Line[];
  /** Before the request was sent, ms on the clock of the recorder. */
  readonly calledMs: number;
  /** After the answer was read, ms on the same clock. Of no meaning for an unknown outcome. */
  readonly returnedMs: number;
  readonly answer: Answer;
}

/** The change of one SKU by one event of the log. Movements of a shard ascend by `seq`. */
export interface Movement {
  readonly type: "movement";
  readonly shard: number;
  readonly seq: number;
  readonly kind: string;
  readonly id: string;
  readonly reference: string;
  readonly userId: string;
  readonly sku: string;
  readonly delta: number;
  readonly reservedDelta: number;
  /** Units after it. */
  readonly available: number;
  readonly reserved: number;
}

/** Numbers after `fromSeq`, up to `toSeq`, that the log declares lost. */
export interface Lost {
  readonly type: "lost";
  readonly shard: number;
  readonly fromSeq: number;
  readonly toSeq: number;
  /** When it was declared, ms on the clock of the recorder; undefined when the history does not say. */
  readonly atMs: number | undefined;
}

/** Declared numbers after `fromSeq`, up to `toSeq`, that were recovered: the log has them again. */
export interface Recovered {
  readonly type: "recovered";
  readonly shard: number;
  readonly fromSeq: number;
  readonly toSeq: number;
  /** When they were back, ms on the clock of the recorder; undefined when the history does not say. */
  readonly atMs: number | undefined;
  /** Numbers among them that the store had forgotten: they stay lost. */
  readonly forgotten: readonly number[];
}

/** Last number of a shard's log. */
export interface Cursor {
  readonly type: "cursor";
  readonly shard: number;
  readonly seq: number;
}

/** Any line. */
export type HistoryRecord = Header | Operation | Movement | Lost | Recovered | Cursor;

/** Longest line, characters: a basket of 50 lines with ids of 128 characters has some 10,000. */
export const LINE_CHARACTERS_MAX = 65_536;

/** Reads one line. @throws {BadRecord} */
export function parseRecord(text: string): HistoryRecord {
  if (text.length > LINE_CHARACTERS_MAX) {
    throw new BadRecord(`a line must have at most ${LINE_CHARACTERS_MAX} characters: it has ${text.length}`);
  }
  const members = parseJson(text);
  const type = member(
    members,
    "type",
    "one of history, operation, movement, lost, recovered, cursor",
    isType,
  );
  return readers[type](members);
}

const readers: { readonly [Type in HistoryRecord["type"]]: (members: Members) => HistoryRecord } = {
  history: (members) => ({
    type: "history",
    version: member(members, "version", "1", (value): value is 1 => value === 1),
    complete: boolean(members, "complete"),
    refusalAgeMaxMs: milliseconds(members, "refusal_age_max_ms"),
  }),
  operation: readOperation,
  movement: (members) => ({
    type: "movement",
    shard: count(members, "shard"),
    seq: count(members, "seq"),
    kind: text(members, "kind"),
    id: optionalText(members, "id"),
    reference: optionalText(members, "reference"),
    userId: optionalText(members, "user_id"),
    sku: text(members, "sku"),
    delta: integer(members, "delta"),
    reservedDelta: integer(members, "reserved_delta"),
    available: integer(members, "available"),
    reserved: integer(members, "reserved"),
  }),
  lost: (members) => ({ type: "lost", ...readRange(members) }),
  recovered: (members) => ({ type: "recovered", ...readRange(members), forgotten: readForgotten(members) }),
  cursor: (members) => ({ type: "cursor", shard: count(members, "shard"), seq: count(members, "seq") }),
};

function readRange(members: Members): Omit<Lost, "type"> {
  const [fromSeq, toSeq] = [count(members, "from_seq"), count(members, "to_seq")];
  if (toSeq <= fromSeq) throw new BadRecord(`to_seq must be above from_seq: ${toSeq} <= ${fromSeq}`);
  const atMs = members.at_ms === undefined ? undefined : milliseconds(members, "at_ms");
  return { shard: count(members, "shard"), fromSeq, toSeq, atMs };
}

function readForgotten(members: Members): readonly number[] {
  if (members.forgotten === undefined) return [];
  return integers(list(members, "forgotten"), "forgotten");
}

function readOperation(members: Members): Operation {
  const call = member(members, "call", `one of ${calls.join(", ")}`, isCall);
  const lines = list(members, "lines").map((line, index) => readLine(line, `lines[${index}]`));
  if (lines.length === 0 && call !== "confirm" && call !== "cancel") {
    throw new BadRecord(`lines of '${call}' must have at least one item`);
  }
  const calledMs = milliseconds(members, "called_ms");
  const answer = readAnswer(object(members, "answer"), call, lines.length);
  const returnedMs = answer.kind === "unknown" ? Infinity : milliseconds(members, "returned_ms");
  if (returnedMs < calledMs) {
    throw new BadRecord(`returned_ms must be at least called_ms: ${returnedMs} < ${calledMs}`);
  }
  return {
    type: "operation",
    call,
    id: call === "read" ? "" : text(members, "id"),
    reference: call === "return" ? text(members, "reference") : "",
    userId: optionalText(members, "user_id"),
    lines,
    calledMs,
    returnedMs,
    answer,
  };
}

function readLine(value: unknown, name: string): Line {
  if (!isObject(value)) throw new BadRecord(`${name} must be an object: it is ${shown(value)}`);
  return { sku: text(value, "sku", name), units: integer(value, "units", name) };
}

function readAnswer(members: Members, call: Call, lines: number): Answer {
  const kind = member(members, "kind", "one of accepted, refused, stock, unknown", isAnswerKind, "answer");
  if ((kind === "stock" && call !== "read") || (kind === "accepted" && call === "read")) {
    throw new BadRecord(`answer.kind of '${call}' must not be '${kind}'`);
  }
  switch (kind) {
    case "accepted": {
      const available = integers(list(members, "available", "answer"), "answer.available");
      if (available.length !== lines) {
        throw new BadRecord(
          `answer.available must have as many items as lines: ${available.length}, not ${lines}`,
        );
      }
      const seq = count(members, "seq", "answer");
      return { kind, seq, available, replayed: boolean(members, "replayed", "answer") };
    }
    case "refused": {
      const sku = members.sku === undefined ? null : text(members, "sku", "answer");
      const available = members.available === undefined ? null : integer(members, "available", "answer");
      return { kind, code: text(members, "code", "answer"), sku, available };
    }
    case "stock":
      return {
        kind,
        seq: count(members, "seq", "answer"),
        available: integer(members, "available", "answer"),
      };
    case "unknown":
      return { kind };
  }
}

function integers(values: readonly unknown[], name: string): number[] {
  return values.map((value, index) => {
    if (Number.isSafeInteger(value)) return Number(value);
    throw new BadRecord(`${name}[${index}] must be an integer: it is ${shown(value)}`);
  });
}

function isType(value: unknown): value is HistoryRecord["type"] {
  return typeof value === "string" && Object.hasOwn(readers, value);
}

function isCall(value: unknown): value is Call {
  return (calls as readonly unknown[]).includes(value);
}

function isAnswerKind(value: unknown): value is Answer["kind"] {
  return value === "accepted" || value === "refused" || value === "stock" || value === "unknown";
}
