/**
 * Converts log entries to rows of the ledger.
 *
 * @module
 */
import type { EventData, EventLine, InventoryEvent, LogEntry, Position } from "../domain/event.ts";

/** An event with the epoch of its number. */
export type Numbered = InventoryEvent & { readonly epoch: number };

/** The part of a batch that is not applied yet, or why it does not continue the ledger. */
export type Plan =
  | {
    readonly kind: "apply";
    readonly events: readonly Numbered[];
    /** Their numbers are applied; the caller must compare them with the ledger. */
    readonly skipped: readonly InventoryEvent[];
  }
  | { readonly kind: "gap" | "stale_epoch"; readonly found: Position };

/**
 * Skips applied events and checks that the rest continues the ledger: no gap in the numbers, no decrease of the
 * epoch.
 */
export function planBatch(entries: readonly LogEntry[], cursor: Position): Plan {
  const events: Numbered[] = [];
  const skipped: InventoryEvent[] = [];
  let last = cursor;
  for (const { position: { epoch }, events: batch } of entries) {
    for (const event of batch) {
      if (event.seq <= cursor.seq) {
        skipped.push(event);
        continue;
      }
      const found = { epoch, seq: event.seq };
      if (epoch < last.epoch) return { kind: "stale_epoch", found };
      if (event.seq !== last.seq + 1) return { kind: "gap", found };
      events.push({ ...event, epoch });
      last = found;
    }
  }
  return { kind: "apply", events, skipped };
}

/**
 * Limits of one transaction. 16,384 lines take PostgreSQL 0.3 s, and this process 60 ms to convert to JSON, far less
 * than the 3 s that a lease may be silent. The text is limited because each line repeats the texts of its event.
 */
const partLinesMax = 16_384;
const partCharsMax = 8_000_000;
/** Names and values of a movement as JSON, without the texts of its event. */
const lineChars = 300;

/** Splits entries into parts of one transaction each; an entry of many events may be split between two of them. */
export function* partsOf(entries: readonly LogEntry[]): Generator<LogEntry[]> {
  let part: LogEntry[] = [];
  let [lines, chars] = [0, 0];
  for (const { position: { epoch }, events } of entries) {
    let first = 0;
    for (const [i, event] of events.entries()) {
      lines += event.lines.length;
      chars += event.lines.length * (lineChars + textOf(event));
      if (lines < partLinesMax && chars < partCharsMax) continue;
      part.push({ position: { epoch, seq: event.seq }, events: events.slice(first, i + 1) });
      yield part;
      [part, lines, chars, first] = [[], 0, 0, i + 1];
    }
    const last = events.at(-1);
    if (last && first < events.length) {
      part.push({ position: { epoch, seq: last.seq }, events: first === 0 ? events : events.slice(first) });
    }
  }
  if (part.length > 0) yield part;
}

function textOf({ id, userId, actor, traceparent, reason, reference }: InventoryEvent): number {
  return id.length + userId.length + actor.length + traceparent.length + reason.length + reference.length;
}

/**
 * First line of movements without a log entry: corrections, and events recalled from a store. No event has as many
 * lines.
 */
export const asideLine = 1000;

/** One change of one SKU, as a parameter of the statement `insert_movements`. */
export interface Movement extends Omit<Numbered, "lines" | "data">, EventLine {
  /** Its index in the event, from 0. */
  readonly line: number;
  /** Null when empty, as for most events, because null takes no space. */
  readonly data: EventData | null;
}

/** The movements of events, one per line. */
export function toMovements(events: readonly Numbered[]): Movement[] {
  return events.flatMap(({ lines, ...event }) => {
    const data = isEmpty(event.data) ? null : event.data;
    return lines.map((change, line) => ({ ...event, ...change, line, data }));
  });
}

function isEmpty(data: EventData): boolean {
  for (const _ in data) return false;
  return true;
}

/** The same event without characters and times that PostgreSQL refuses; quantities are unchanged. */
export function readable(event: Numbered): Numbered {
  return withTexts(event, clean);
}

/**
 * The same event in ASCII: other characters become `\uXXXX`, so different ids stay different. It is for a database
 * that refuses the result of {@link readable}.
 */
export function inAscii(event: Numbered): Numbered {
  return withTexts(event, (text) => escaped(clean(text)));
}

function withTexts(event: Numbered, rewrite: (text: string) => string): Numbered {
  return {
    ...event,
    kind: rewrite(event.kind),
    id: rewrite(event.id),
    userId: rewrite(event.userId),
    actor: rewrite(event.actor),
    traceparent: rewrite(event.traceparent),
    reason: rewrite(event.reason),
    reference: rewrite(event.reference),
    atMs: Number.isFinite(new Date(event.atMs).getTime()) ? event.atMs : 0,
    lines: event.lines.map((line) => ({ ...line, sku: rewrite(line.sku) })),
  };
}

/** NUL and unpaired surrogates become U+FFFD. */
function clean(text: string): string {
  return text.replaceAll("\0", "\uFFFD").toWellFormed();
}

/** Escapes a text, or JSON, to ASCII; JSON keeps its meaning. */
export function escaped(text: string): string {
  return text.replace(/[^\0-\x7f]/g, (unit) => "\\u" + unit.charCodeAt(0).toString(16).padStart(4, "0"));
}
