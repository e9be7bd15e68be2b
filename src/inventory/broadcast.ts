/**
 * Commands that name an order and no SKU are asked of every shard: the order's lines lie where their SKUs do.
 *
 * @module
 */
import type { Cancel, Command, Confirm, Extend } from "./command.ts";
import type { Decided, Outcome, Undecided } from "./outcome.ts";

/** A command that every shard is asked. */
export type Broadcast = Confirm | Cancel | Extend;

/** Whether every shard is asked. */
export function isBroadcast(command: Command): command is Broadcast {
  return command.kind === "confirm" || command.kind === "cancel" || command.kind === "extend";
}

/** What one shard is asked: of the lines to confirm only its own. */
export function shareOf(command: Broadcast, isMine: (sku: string) => boolean): Broadcast {
  if (command.kind !== "confirm" || command.lines === null) return command;
  return { ...command, lines: command.lines.filter((line) => isMine(line.sku)) };
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
 * One answer out of all shards'. As long as one of them has not decided, nobody knows, and the same call again
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
