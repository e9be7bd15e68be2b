/**
 * Commands that name an order and no SKU: the order's lines lie where their SKUs do. Every shard is asked what it
 * remembers of the order. Only if all of what is asked is possible do the shards that have a part of it act.
 *
 * @module
 */
import type { ShardMemory } from "./archive.ts";
import type { Batcher } from "./batcher.ts";
import type { Cancel, Command, Confirm, Extend, Line, Sale } from "../domain/command.ts";
import {
  type Decided,
  isForeign,
  type Outcome,
  type RememberedLine,
  type Undecided,
} from "../domain/outcome.ts";

/** A command on the reservation of an order, wherever it is. */
export type Broadcast = Confirm | Cancel | Extend;

/** What each shard remembers of an order, by shard. */
export type Found = readonly (readonly RememberedLine[])[];

/** Whether a command names no SKU. */
export function isBroadcast(command: Command): command is Broadcast {
  return command.kind === "confirm" || command.kind === "cancel" || command.kind === "extend";
}

/** What one shard is asked: of the lines to confirm only its own. */
export function partitionOf(command: Broadcast, isMine: (sku: string) => boolean): Broadcast {
  if (command.kind !== "confirm" || command.lines === null) return command;
  return { ...command, lines: command.lines.filter((line) => isMine(line.sku)) };
}

/** What shards remember of an order; unknown if one of them cannot answer. */
export async function lookUp(
  batchers: readonly Pick<Batcher, "submit">[],
  orderId: string,
  askedAtMs: number,
): Promise<ShardMemory[] | Undecided> {
  const command: Command = { kind: "lookup", orderId };
  const outcomes = await Promise.all(
    batchers.map((batcher) => batcher.submit(command, undefined, askedAtMs)),
  );
  const found: ShardMemory[] = [];
  for (const outcome of outcomes) {
    if (outcome.kind !== "order") return undecided(outcome);
    found.push(outcome);
  }
  return found;
}

/** The shards that remember a reservation of the order. */
export function holdersOf(found: Found): number[] {
  return found.flatMap((lines, shard) => reservationOf(lines).length > 0 ? [shard] : []);
}

/**
 * Why no shard may act on the reservation, as one shard that had all of it would say; undefined when they may. Between
 * this and their acting what is held can only become less, and then the shard that has less refuses by itself.
 */
export function whyNotSettle(command: Broadcast, found: Found): Decided | undefined {
  const reserved = found.flatMap(reservationOf);
  if (reserved.length === 0) return { kind: "unknown_reservation" };
  if (reserved.some((line) => isForeign(line, command.owner))) return { kind: "forbidden" };
  const isOpen = (line: RememberedLine) => line.state === "held";
  switch (command.kind) {
    case "extend":
      return endOf(reserved.find((line) => !isOpen(line)));
    case "cancel":
      return endOf(
        reserved.find((line) => line.state === "confirmed") ??
          (reserved.some((line) => isOpen(line) || line.state === "cancelled") ? undefined : reserved[0]),
      );
    case "confirm":
      return endOf(reserved.find((line) => !isOpen(line) && line.state !== "confirmed")) ??
        whyNotConfirm(command.lines, reserved);
  }
}

/**
 * Why an order id cannot have a reservation in a shard, from what the other shards remember of the order; undefined when
 * it can.
 */
export function whyNotReserve({ lines }: Sale, found: Found): Decided | undefined {
  const last = found.flatMap(reservationOf).at(-1);
  return last && (endOf(last) ?? { kind: "conflict", sku: lines[0]?.sku ?? "" });
}

/** A shard's lines of the order's reservation: those that are held, else those that ended together last. */
function reservationOf(lines: readonly RememberedLine[]): readonly RememberedLine[] {
  const reserved = lines.filter((line) => line.kind === "reserve");
  const held = reserved.filter((line) => line.state === "held");
  return held.length > 0 ? held : reserved.filter((line) => line.settledSeq === reserved.at(-1)?.settledSeq);
}

function whyNotConfirm(
  lines: readonly Line[] | null,
  reserved: readonly RememberedLine[],
): Decided | undefined {
  const wanted = new Map(lines?.map(({ sku, amount }) => [sku, amount]));
  const isOther = ({ state, sku, amount, settledUnits }: RememberedLine) =>
    state === "confirmed" && settledUnits !== (lines === null ? amount : wanted.get(sku) ?? 0);
  if (reserved.some(isOther)) return { kind: "already_confirmed" };
  for (const [sku, amount] of wanted) {
    const line = reserved.find((line) => line.sku === sku);
    if (line && (line.state === "confirmed" || amount <= line.units)) continue;
    const isOver = reserved.every(({ state }) => state === "confirmed");
    return isOver ? { kind: "already_confirmed" } : { kind: "exceeds", sku, units: line?.units ?? 0 };
  }
  return undefined;
}

/** The answer to a call that comes after the end of a reservation; undefined for one that has not ended. */
function endOf(line: RememberedLine | undefined): Decided | undefined {
  switch (line?.state) {
    case "confirmed":
      return { kind: "already_confirmed" };
    case "cancelled":
      return { kind: "already_cancelled" };
    case "expired":
      return { kind: "reservation_expired" };
    default:
      return undefined;
  }
}

const undecidedKinds: ReadonlySet<string> = new Set(
  [
    "unarmed",
    "overloaded",
    "cross_shard",
    "store_unavailable",
    "store_full",
    "outcome_unknown",
    "late",
    "postponed",
  ] satisfies (Undecided["kind"] | "late" | "postponed")[],
);

/**
 * One outcome from those of all shards. Until every shard has decided the outcome is unknown, and the same call again
 * settles it: each shard repeats its first answer. Only when no shard has done anything, or still may, is it certain
 * that nothing happened.
 *
 * @param nowMs wall clock: until when the call may take effect, where some shards have done their part and the
 *   others certainly nothing
 */
export function merge(outcomes: readonly Outcome[], nowMs: number): Outcome {
  const open = outcomes.filter((outcome) => undecidedKinds.has(outcome.kind));
  const done = outcomes.filter((outcome) => outcome.kind === "settled" || outcome.kind === "extended");
  const deadlinesMs = open.flatMap((outcome) =>
    outcome.kind === "outcome_unknown" ? [outcome.deadlineMs] : []
  );
  const [undecided] = open;
  if (undecided) {
    return done.length + deadlinesMs.length === 0
      ? undecided
      : { kind: "outcome_unknown", deadlineMs: Math.max(nowMs, ...deadlinesMs) };
  }
  const [first] = done;
  if (first) return done.slice(1).reduce<typeof first>(join, first);
  return outcomes.find((outcome) => outcome.kind !== "unknown_reservation") ??
    { kind: "unknown_reservation" };
}

type Done = Extract<Decided, { kind: "settled" | "extended" }>;

function join(a: Done, b: Done): Done {
  const seq = Math.max(a.seq, b.seq);
  if (a.kind === "settled" && b.kind === "settled") {
    return { ...a, seq, replayed: a.replayed && b.replayed, lines: [...a.lines, ...b.lines] };
  }
  if (a.kind === "extended" && b.kind === "extended") {
    return { ...a, seq, expiresAtMs: Math.min(a.expiresAtMs, b.expiresAtMs) };
  }
  return a;
}

/** A lookup has no refusals: what is not an order was not decided. */
export function undecided(outcome: Outcome): Undecided {
  switch (outcome.kind) {
    case "unarmed":
    case "overloaded":
    case "store_unavailable":
    case "store_full":
      return outcome;
    default:
      return { kind: "store_unavailable", reason: outcome.kind };
  }
}
