/**
 * Each answer against the log: accepted is in the log as it was asked, a replay equals the first answer, and what
 * was refused did not take effect.
 *
 * @module
 */
import { effectKey, type Log, type LogEvent, type Rule, type Violation } from "./log.ts";
import type { Answer, Call, Line, Movement, Operation } from "./record.ts";

type Accepted = Extract<Answer, { kind: "accepted" }>;

/** Counts for the report. */
export interface Outcomes {
  accepted: number;
  replayed: number;
  refused: number;
  read: number;
  /** Accepted at numbers that the log declares lost. The same order may have been decided anew since. */
  declaredLost: number;
  /** Operations without an answer whose effect is in the log. */
  unknownApplied: number;
  /** Operations without an answer of which the log shows nothing: they stay open. */
  unknownOpen: number;
}

/** Refusals that the product decides after it has looked for a replay: no repeat of an accepted order hears them. */
const afterReplay: ReadonlySet<string> = new Set([
  "insufficient_stock",
  "order_conflict",
  "unknown_sku",
  "sku_paused",
  "not_open",
  "sale_closed",
  "purchase_token_required",
  "rate_limited",
  "quota_exceeded",
  "order_too_large",
  "return_exceeds_sold",
  "already_cancelled",
  "already_confirmed",
  "reservation_expired",
]);

/** The kinds of event that an accepted call leaves. */
const kindsOf: Readonly<Record<Exclude<Call, "read">, readonly string[]>> = {
  deduct: ["deduct"],
  order: ["order", "prepare"],
  reserve: ["reserve"],
  confirm: ["confirm"],
  cancel: ["cancel"],
  return: ["return"],
  adjust: ["adjust", "create"],
  set: ["set", "create"],
};
const sales: ReadonlySet<string> = new Set(["deduct", "order", "reserve"]);

/** One effect that operations asked for. */
interface Asked {
  readonly key: string;
  readonly event: LogEvent | undefined;
  /** Attempts that may have taken effect. */
  open: number;
  firstAnswers: number;
}

/** Compares operations with the log, and notes in its events when they were called and answered. */
export class Answers {
  readonly violations: Violation[] = [];
  readonly outcomes: Outcomes = {
    accepted: 0,
    replayed: 0,
    refused: 0,
    read: 0,
    declaredLost: 0,
    unknownApplied: 0,
    unknownOpen: 0,
  };
  readonly #log: Log;
  readonly #asked = new Map<string, Asked>();

  /** The log must be complete. */
  constructor(log: Log) {
    this.#log = log;
  }

  /** Takes the operations. `isComplete`: every effect of a sale must have been asked for. */
  check(operations: readonly Operation[], { isComplete }: { readonly isComplete: boolean }): void {
    for (const operation of operations) if (operation.call !== "read") this.#note(operation);
    for (const operation of operations) this.#compare(operation);
    for (const { event, open, firstAnswers } of this.#asked.values()) {
      if (event && open === 0) {
        this.#report("refused_but_applied", `${named(event)} is in the log, and every attempt was refused`);
      }
      if (event && firstAnswers > 1) {
        this.#report("replay_differs", `${named(event)}: ${firstAnswers} answers are not marked as replayed`);
      }
    }
    if (isComplete) this.#unasked();
  }

  #keysOf(operation: Operation): string[] {
    const { call, id, reference } = operation;
    return this.#log.skusOf(operation).map((sku) => effectKey(call, id, reference, sku) ?? "");
  }

  /** Accepted, and the log declares the number lost. */
  #isLost(operation: Operation): boolean {
    const { answer } = operation;
    return answer.kind === "accepted" && this.#log.isLost(this.#log.skusOf(operation)[0] ?? "", answer.seq);
  }

  /** The event that an operation asked for. */
  #note(operation: Operation): void {
    const { call, answer, calledMs, returnedMs } = operation;
    for (const key of this.#keysOf(operation)) {
      // A hold that lapsed was not cancelled: an effect of another kind is not this operation's.
      const found = this.#log.effect(key)?.event;
      const event = found && isOfKind(call, found.kind) ? found : undefined;
      const asked = this.#asked.get(`${call} ${key}`) ?? { key, event, open: 0, firstAnswers: 0 };
      this.#asked.set(`${call} ${key}`, asked);
      if (answer.kind === "refused" || this.#isLost(operation)) continue;
      asked.open++;
      if (answer.kind === "accepted" && !answer.replayed) asked.firstAnswers++;
      if (!event) continue;
      event.calledMs = Math.min(event.calledMs, calledMs);
      if (answer.kind === "accepted") event.returnedMs = Math.min(event.returnedMs, returnedMs);
    }
  }

  #compare(operation: Operation): void {
    const { answer } = operation;
    switch (answer.kind) {
      case "accepted":
        this.outcomes.accepted++;
        if (answer.replayed) this.outcomes.replayed++;
        if (!this.#isLost(operation)) return this.#accepted(operation, answer);
        this.outcomes.declaredLost++;
        return;
      case "refused":
        this.outcomes.refused++;
        if (afterReplay.has(answer.code)) this.#refused(operation, answer.code);
        return;
      case "stock":
        this.outcomes.read++;
        return;
      case "unknown":
        if (this.#keysOf(operation).some((key) => this.#log.effect(key))) this.outcomes.unknownApplied++;
        else this.outcomes.unknownOpen++;
    }
  }

  #accepted(operation: Operation, answer: Accepted): void {
    const { call, id, lines } = operation;
    const keys = this.#keysOf(operation);
    const rule: Rule = answer.replayed ? "replay_differs" : "contents_differ";
    lines.forEach((line, index) => {
      const found = this.#log.effect(keys[index] ?? "");
      const heard = `${call} of ${id}, ${line.sku}: accepted as number ${answer.seq}`;
      if (!found) return this.#report("lost_accepted", `${heard}, and the log does not have it`);
      const { movement } = found;
      const [asked, available] = [contents(operation, line), answer.available[index]];
      // A basket of several shards is answered with the number in the shard of its first line.
      const isNumber = movement.seq === answer.seq || index > 0 && found.event.kind === "prepare";
      const isSame = isNumber && movement.available === available &&
        holdsContents(operation, line, movement);
      if (isSame) return;
      const written = `number ${movement.seq}, ${movement.kind}, user '${movement.userId}', change ` +
        `${movement.delta}, ${movement.available} left`;
      this.#report(rule, `${heard}, ${asked}, ${available} left; the log has ${written}`);
    });
    if (lines.length > 0) return;
    const events = keys.map((key) => this.#log.effect(key)?.event);
    if (!events.some((event) => event?.seq === answer.seq)) {
      this.#report("lost_accepted", `${call} of ${id}: accepted as number ${answer.seq}, not in the log`);
    }
  }

  /** A refusal that no replay gets: none of the attempts before it may have been accepted. */
  #refused(operation: Operation, code: string): void {
    const { call, id, lines, calledMs, userId } = operation;
    const keys = this.#keysOf(operation);
    const isWhole = call === "order" || call === "reserve" ? lines.length === this.#log.linesOf(id) : true;
    const isReplay = isWhole && lines.length > 0 && lines.every((line, index) => {
      const found = this.#log.effect(keys[index] ?? "");
      return found && found.event.returnedMs < calledMs && isOfKind(call, found.event.kind) &&
        found.movement.userId === userId && holdsContents(operation, line, found.movement);
    });
    if (isReplay) this.#report("replay_differs", `${call} of ${id}: accepted, and then refused: ${code}`);
  }

  #unasked(): void {
    const asked = new Set([...this.#asked.values()].map(({ key }) => key));
    for (const events of this.#log.shards.values()) {
      for (const event of events) {
        if (!sales.has(event.kind)) continue;
        const isAsked = event.movements.some(({ kind, id, reference, sku }) =>
          asked.has(effectKey(kind, id, reference, sku) ?? "")
        );
        if (!isAsked) this.#report("nobody_asked", `${named(event)} is in the log, and no client sent it`);
      }
    }
  }

  #report(rule: Rule, message: string): void {
    this.violations.push({ rule, message });
  }
}

/** Whether a call can leave an event of a kind. */
function isOfKind(call: Call, kind: string): boolean {
  return call !== "read" && kindsOf[call].includes(kind);
}

/** Whether a movement is what a line asked for. */
function holdsContents({ call, userId }: Operation, { units }: Line, movement: Movement): boolean {
  if (!isOfKind(call, movement.kind)) return false;
  switch (call) {
    case "deduct":
    case "order":
      return movement.userId === userId && movement.delta === -units;
    case "reserve":
      return movement.userId === userId && movement.delta === -units && movement.reservedDelta === units;
    case "confirm":
      return -movement.reservedDelta - movement.delta === units;
    case "cancel":
      return movement.delta === -movement.reservedDelta;
    case "return":
    case "adjust":
      return movement.delta === units;
    case "set":
      return movement.available === units;
    case "read":
      return false;
  }
}

function contents({ call, userId }: Operation, { units }: Line): string {
  return sales.has(call) ? `user '${userId}', ${units} units` : `${units} units`;
}

function named({ kind, id, seq, shard }: LogEvent): string {
  return `${kind} of ${id}, number ${seq} of shard ${shard},`;
}
