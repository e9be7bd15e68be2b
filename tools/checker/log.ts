/**
 * The log as a witness: what happened, in which order, and whether it is consistent in itself.
 *
 * @module
 */
import type { Declarations } from "./declared.ts";
import { gapsIn } from "./gaps.ts";
import type { Rule, Violation } from "./rules.ts";
import type { Cursor, Movement, Operation } from "./record.ts";

/** One event: all movements of a shard with the same number. */
export interface LogEvent {
  readonly shard: number;
  readonly seq: number;
  readonly kind: string;
  readonly id: string;
  readonly movements: Movement[];
  /** When the first attempt that may have caused it was called, ms; Infinity when none is known. */
  calledMs: number;
  /** When a client first heard that it was accepted, ms; Infinity when none did. */
  returnedMs: number;
}

/**
 * The stock of one SKU over the log: `available[i]` holds from number `seqs[i]` to `seqs[i + 1] - 1`. A correction has no
 * number of its own: it stands half a number behind the one that it names.
 */
export interface Timeline {
  readonly shard: number;
  readonly seqs: number[];
  readonly available: number[];
  /** Positions in `seqs` by the units that were available then, ascending. */
  readonly byAvailable: Map<number, number[]>;
  reserved: number;
}

const saleKinds: ReadonlySet<string> = new Set(["deduct", "order", "reserve", "commit"]);
const settleKinds: ReadonlySet<string> = new Set(["confirm", "cancel", "expire"]);
const stockKinds: ReadonlySet<string> = new Set(["adjust", "create", "set"]);
const withoutUnits: ReadonlySet<string> = new Set(["extend", "pause", "resume", "rules"]);

/** Kinds of event whose numbers a store need not remember. */
const notRemembered: ReadonlySet<string> = new Set(["commit", "abort", "extend", "expire", "rules"]);

/** What identifies an effect that must happen at most once; undefined for what may happen again. */
export function effectKey(kind: string, id: string, reference: string, sku: string): string | undefined {
  if (saleKinds.has(kind)) return saleKey(id, sku);
  if (settleKinds.has(kind)) return JSON.stringify(["settle", id, sku]);
  if (stockKinds.has(kind)) return JSON.stringify(["stock", id, sku]);
  if (kind === "return") return JSON.stringify(["return", id, reference, sku]);
  return undefined;
}

function saleKey(id: string, sku: string): string {
  return JSON.stringify(["sale", id, sku]);
}

/** Takes the lines of the log in their order and finds what is inconsistent. */
export class Log {
  /** Events of each shard, ascending. */
  readonly shards: Map<number, LogEvent[]> = new Map();
  /** Stock of each SKU. */
  readonly timelines: Map<string, Timeline> = new Map();
  readonly violations: Violation[] = [];
  movements = 0;
  readonly #declared: Declarations;
  readonly #prepared = new Map<string, { readonly event: LogEvent; readonly movement: Movement }>();
  readonly #effects = new Map<string, { readonly event: LogEvent; readonly movement: Movement }>();
  /** Units still sold, by the key of the sale; kept from the first confirmation, cancellation or return on. */
  readonly #sold = new Map<string, number>();
  /** SKUs of confirmed and cancelled reservations, by kind and order id. */
  readonly #settled = new Map<string, string[]>();
  readonly #cursors: Cursor[] = [];
  /** Lines that an order has sold or reserved. */
  readonly #linesOf = new Map<string, number>();
  /** Pairs of events with one number. */
  readonly #shared: (readonly [LogEvent, LogEvent])[] = [];

  /** `declared` is asked when all lines are there. */
  constructor(declared: Declarations) {
    this.#declared = declared;
  }

  /** The event and the movement of an effect. */
  effect(key: string): { readonly event: LogEvent; readonly movement: Movement } | undefined {
    return this.#effects.get(key);
  }

  /** How many lines of an order the log has: the same basket with fewer of them is another one. */
  linesOf(id: string): number {
    return this.#linesOf.get(id) ?? 0;
  }

  /** SKUs of an operation: those that it names, or those of the reservation that it ended. */
  skusOf({ call, id, lines }: Operation): readonly string[] {
    if (lines.length > 0) return lines.map(({ sku }) => sku);
    return this.#settled.get(`${call} ${id}`) ?? [];
  }

  /** Adds a movement. Returns what is wrong with its place, which makes the file unusable. */
  add(movement: Movement): string | undefined {
    const { shard, seq } = movement;
    const events = this.shards.get(shard) ?? [];
    this.shards.set(shard, events);
    const last = events.at(-1);
    if (last && last.seq > seq) {
      return `seq of a movement of shard ${shard} must ascend: it is ${seq} after ${last.seq}`;
    }
    this.movements++;
    let event = last;
    if (!event || event.seq !== seq || isOther(event, movement)) {
      const { kind, id } = movement;
      event = { shard, seq, kind, id, movements: [], calledMs: Infinity, returnedMs: Infinity };
      events.push(event);
      if (last?.seq === seq && last.kind !== "correction") this.#shared.push([last, event]);
    }
    event.movements.push(movement);
    this.#arithmetic(movement);
    this.#once(event, movement);
    return undefined;
  }

  /** The shard of a SKU; undefined when the log has no movement of it. */
  shardOf(sku: string): number | undefined {
    return this.timelines.get(sku)?.shard;
  }

  /** Adds the end of a shard's log. */
  addCursor(cursor: Cursor): void {
    this.#cursors.push(cursor);
  }

  /** Compares the numbers with what was declared of them and with the ends of the logs. Call it once, after the last line. */
  finish(): void {
    for (const [one, other] of this.#shared) {
      if (this.#isWithoutNumber(one) || this.#isWithoutNumber(other)) continue;
      const { shard, seq } = one;
      this.#report("doubled", `shard ${shard}, number ${seq} is both ${named(one)} and ${named(other)}`);
    }
    for (const cursor of this.#cursors) {
      this.violations.push(...gapsIn(this.shards.get(cursor.shard) ?? [], cursor, this.#declared));
    }
  }

  /** What a store remembers without its number is recovered under the last one, an abort under the first. */
  #isWithoutNumber({ shard, seq, kind }: LogEvent): boolean {
    const recovered = this.#declared.find(shard, seq)?.recovered;
    if (!recovered || !notRemembered.has(kind)) return false;
    return seq === (kind === "abort" ? recovered.fromSeq + 1 : recovered.toSeq);
  }

  #arithmetic(movement: Movement): void {
    const { shard, seq, sku, delta, reservedDelta, available, reserved } = movement;
    const line = this.#timeline(movement);
    const where = `shard ${shard}, number ${seq}, ${sku}`;
    if (line.shard !== shard) {
      this.#report("arithmetic", `${where}: the SKU is in shard ${line.shard} too`);
      return;
    }
    const before = line.available.at(-1) ?? 0;
    if (available < 0 || reserved < 0) {
      this.#report("oversell", `${where}: ${available} units are available and ${reserved} reserved`);
    }
    if (before + delta !== available) {
      this.#report("arithmetic", `${where}: ${before} and ${delta} make ${before + delta}, not ${available}`);
    }
    if (line.reserved + reservedDelta !== reserved) {
      const sum = line.reserved + reservedDelta;
      this.#report(
        "arithmetic",
        `${where}: ${line.reserved} and ${reservedDelta} reserved make ${sum}, not ${reserved}`,
      );
    }
    if (withoutUnits.has(movement.kind) && (delta !== 0 || reservedDelta !== 0)) {
      this.#report("arithmetic", `${where}: '${movement.kind}' must move no units`);
    }
    line.reserved = reserved;
    const position = line.seqs.push(movement.kind === "correction" ? seq + 0.5 : seq) - 1;
    line.available.push(available);
    const same = line.byAvailable.get(available);
    if (same) same.push(position);
    else line.byAvailable.set(available, [position]);
  }

  #timeline({ sku, shard }: Movement): Timeline {
    const known = this.timelines.get(sku);
    if (known) return known;
    const made: Timeline = { shard, seqs: [], available: [], byAvailable: new Map(), reserved: 0 };
    this.timelines.set(sku, made);
    return made;
  }

  /** Every effect at most once; and a hold ends once, with the units that it has. */
  #once(event: LogEvent, movement: Movement): void {
    const { kind, id, reference, sku, shard, seq } = movement;
    const key = effectKey(kind, id, reference, sku);
    if (kind === "prepare" || kind === "abort") this.#prepares(event, movement);
    if (key === undefined) return;
    const earlier = this.#effects.get(key);
    if (earlier) {
      this.#report(
        "doubled",
        `${kind} of ${id}, ${sku}: applied as number ${earlier.event.seq} of shard ${earlier.event.shard} and ` +
          `again as ${seq} of ${shard}`,
      );
      return;
    }
    this.#effects.set(key, kind === "commit" ? this.#commits(event, movement) : { event, movement });
    if (saleKinds.has(kind)) this.#linesOf.set(id, this.linesOf(id) + 1);
    if (settleKinds.has(kind)) this.#settles(movement);
    if (kind === "return") this.#returns(movement);
  }

  /** A line is prepared once at a time, and an abort returns what is prepared. */
  #prepares(event: LogEvent, movement: Movement): void {
    const { kind, id, sku, seq, delta, reservedDelta } = movement;
    const key = saleKey(id, sku);
    const held = this.#prepared.get(key)?.movement.reservedDelta ?? 0;
    const isRight = kind === "prepare"
      ? held === 0 && delta < 0 && reservedDelta === -delta
      : held > 0 && delta === held && reservedDelta === -held;
    if (!isRight) {
      this.#report("settled_wrongly", `number ${seq}: ${kind} of ${id}, ${sku} while ${held} are prepared`);
    }
    if (kind === "prepare") this.#prepared.set(key, { event, movement });
    else this.#prepared.delete(key);
  }

  /** A commit sells what was prepared; the answer has the number that prepared it. */
  #commits(event: LogEvent, movement: Movement): { readonly event: LogEvent; readonly movement: Movement } {
    const { id, sku, seq, delta, reservedDelta } = movement;
    const key = saleKey(id, sku);
    const prepared = this.#prepared.get(key);
    const held = prepared?.movement.reservedDelta ?? 0;
    if (!prepared || delta !== 0 || reservedDelta !== -held) {
      this.#report("settled_wrongly", `number ${seq}: commit of ${id}, ${sku} while ${held} are prepared`);
    }
    this.#prepared.delete(key);
    return prepared
      ? { event: prepared.event, movement: { ...prepared.movement, kind: "order" } }
      : { event, movement };
  }

  #settles({ kind, id, sku, seq, delta, reservedDelta }: Movement): void {
    const key = saleKey(id, sku);
    const sale = this.#effects.get(key)?.movement;
    const held = sale?.kind === "reserve" ? sale.reservedDelta : 0;
    const isWhole = kind === "confirm" ? delta >= 0 && delta <= held : delta === held;
    if (held <= 0 || reservedDelta !== -held || !isWhole) {
      const moved = `${delta} available, ${reservedDelta} reserved`;
      this.#report(
        "settled_wrongly",
        `number ${seq}: ${kind} of ${id}, ${sku} moves ${moved}; ${held} are held`,
      );
    }
    this.#sold.set(key, held - delta);
    const skus = this.#settled.get(`${kind} ${id}`);
    if (skus) skus.push(sku);
    else this.#settled.set(`${kind} ${id}`, [sku]);
  }

  #returns({ id, sku, seq, delta }: Movement): void {
    const key = saleKey(id, sku);
    const sale = this.#effects.get(key)?.movement;
    const sold = this.#sold.get(key) ?? (sale && sale.kind !== "reserve" ? -sale.delta : 0);
    if (delta <= 0 || delta > sold) {
      this.#report(
        "settled_wrongly",
        `number ${seq}: ${delta} units of ${id}, ${sku} return; ${sold} are sold`,
      );
    }
    this.#sold.set(key, sold - delta);
  }

  #report(rule: Rule, message: string): void {
    this.violations.push({ rule, message });
  }
}

/** Whether a movement belongs to another event. A correction stands behind the last number, whatever that is. */
function isOther(event: LogEvent, { kind, id }: Movement): boolean {
  return kind !== "correction" && (event.kind !== kind || event.id !== id);
}

function named({ kind, id }: { readonly kind: string; readonly id: string }): string {
  return `${kind} of '${id}'`;
}
