/**
 * The format of a log entry that the script writes: JSON `[ms, [event, ...]]`, with the positions in the headers of
 * `lua/sell.lua` and the other parts.
 *
 * @module
 */
import type { EventData, EventLine, InventoryEvent, LogEntry, Position } from "../domain/event.ts";

/** The name of an entry's only field, which is its version. */
export const entryField = "v1";

/**
 * Decodes an entry. Its events have no numbers: `position` is that of the last event.
 *
 * @throws {SyntaxError | TypeError} when the entry does not have this version's format
 */
export function decodeEntry(position: Position, body: string): LogEntry {
  const [atMs, events] = JSON.parse(body) as [number, unknown[][]];
  if (!Number.isSafeInteger(atMs) || !Array.isArray(events) || events.length === 0) {
    throw new TypeError(`Cannot read log entry ${position.epoch}-${position.seq} as it has no events`);
  }
  const firstSeq = position.seq - events.length + 1;
  return { position, events: events.map((event, i) => decodeEvent(event, firstSeq + i, atMs)) };
}

function decodeEvent(event: unknown[], seq: number, atMs: number): InventoryEvent {
  const [kind, id, userId, , actor, traceparent, lines, reason, reference, data] = event;
  if (
    typeof kind !== "string" || typeof id !== "string" || !Array.isArray(lines) || typeof data !== "object"
  ) {
    throw new TypeError(`Cannot read event ${seq} as its kind, id, lines or data are missing`);
  }
  return {
    seq,
    kind,
    id,
    userId: String(userId),
    actor: String(actor),
    traceparent: String(traceparent),
    reason: String(reason),
    reference: String(reference),
    atMs,
    data: data as EventData,
    lines: lines.map(decodeLine),
  };
}

function decodeLine(line: [string, number, number, number, number]): EventLine {
  const [sku, delta, reservedDelta, available, reserved] = line;
  return { sku, delta, reservedDelta, available, reserved };
}
