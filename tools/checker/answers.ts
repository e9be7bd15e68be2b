/**
 * Each answer against the log: accepted is in the log as it was asked, a replay equals the first answer, and what
 * was refused did not take effect.
 *
 * @module
 */
import type { Declarations, Declared } from "./declared.ts";
import { effectKey, type Log, type LogEvent } from "./log.ts";
import type { Rule, Violation } from "./rules.ts";
import type { Answer, Call, Line, Movement, Operation } from "./record.ts";

type Accepted = Extract<Answer, { kind: "accepted" }>;

/** Counts for the report. */
export interface Outcomes {
  accepted: number;
  replayed: number;
  refused: number;
  read: number;
  /** Accepted at numbers that were declared lost and are not back. The same order may have been decided anew since. */
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
  /** Accepted operations that are lost by a declaration: one text for all attempts of one. */
  readonly declaredLosses: Set<string> = new Set();
  readonly #log: Log;
  readonly #declared: Declarations;
  readonly #asked = new Map<string, Asked>();
  /** First SKU of each reservation: its cancellation need not name one. */
  readonly #reserved = new Map<string, string>();

  /** The log must be complete. */
  constructor(log: Log, declared: Declarations) {
    this.#log = log;
    this.#declared = declared;
  }

  /** Takes the operations. `isComplete`: every effect of a sale must have been asked for. */
  check(operations: readonly Operation[], { isComplete }: { readonly isComplete: boolean }): void {
    for (const { call, id, lines: [line] } of operations) {
      if (call === "reserve" && line) this.#reserved.set(id, line.sku);
    }
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

  /** What was declared of the number of an accepted operation. */
  #declaredOf({ id, lines: [line], answer }: Operation): Declared | undefined {
    if (answer.kind !== "accepted") return undefined;
    const sku = line?.sku ?? this.#reserved.get(id) ?? "";
    // A SKU of which the log has nothing may be in any shard.
    return this.#declared.find(this.#log.shardOf(sku), answer.seq);
  }

  /** Accepted, and the number was declared lost and not recovered. */
  #isLost(operation: Operation): boolean {
    const declared = this.#declaredOf(operation);
    return declared !== undefined && !declared.recovered;
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
      if (answer.kind === "refused") continue;
      // What was decided anew since is another one's effect.
      if (answer.kind === "accepted" && event?.seq !== answer.seq && this.#isLost(operation)) continue;
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
        this.#issuedLate(operation, answer);
        if (!this.#isLost(operation)) return this.#accepted(operation, answer);
        this.outcomes.declaredLost++;
        this.#loses(operation, answer);
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

  /** A declaration is of numbers that were issued before it. */
  #issuedLate(operation: Operation, { seq, replayed }: Accepted): void {
    const declared = this.#declaredOf(operation);
    // The store may replay what the ledger does not have yet.
    const { call, id, calledMs } = operation;
    if (!declared || replayed && declared.recovered || calledMs <= (declared.lost.atMs ?? Infinity)) return;
    this.#report(
      "declared_wrongly",
      `${call} of ${id}: called at ${calledMs} ms and accepted as number ${seq}, which was declared lost at ` +
        `${declared.lost.atMs} ms`,
    );
  }

  #loses({ call, id, reference, lines }: Operation, { seq }: Accepted): void {
    const what = [id, ...reference === "" ? [] : [reference]].join(" ");
    const units = lines.map(({ sku, units }) => `${units} units of ${sku}`);
    this.declaredLosses.add([`${call} of ${what}, number ${seq}`, ...units].join(", "));
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
    const { call, id, lines, calledMs, returnedMs, userId } = operation;
    const keys = this.#keysOf(operation);
    /** It was declared lost, and not back yet. */
    const wasMissing = ({ shard, seq }: LogEvent) => {
      const { lost, recovered } = this.#declared.find(shard, seq) ?? {};
      return lost && recovered && (lost.atMs ?? 0) < returnedMs && calledMs < (recovered.atMs ?? Infinity);
    };
    const isWhole = call === "order" || call === "reserve" ? lines.length === this.#log.linesOf(id) : true;
    const isReplay = isWhole && lines.length > 0 && lines.every((line, index) => {
      const found = this.#log.effect(keys[index] ?? "");
      return found && found.event.returnedMs < calledMs && !wasMissing(found.event) &&
        isOfKind(call, found.event.kind) &&
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
