/**
 * The events of a refused shard's log that cannot be applied.
 *
 * @module
 */
import { adjustmentKey, pairKey, returnKey } from "../../domain/remembered_line.ts";
import type { Position } from "../../domain/event.ts";
import type { EventLog } from "../../log/event_log.ts";

/** Events between the ledger's cursor and the store's head. */
export interface Pending {
  /** The ledger's cursor. */
  readonly cursor: Position;
  /** By SKU: the changes by the events, and the store's stock before the first of them. */
  readonly skus: ReadonlyMap<string, PendingSku>;
  /** Names of other changes: orders, adjustments, returns, users with their SKUs. */
  readonly names: ReadonlySet<string>;
  /** Why some of them cannot be read; empty when all can. */
  readonly lost: string;
}

/** Changes of a SKU by pending events. */
export interface PendingSku {
  /** Sum of the changes of available units. */
  available: number;
  /** Sum of the changes of reserved units. */
  reserved: number;
  /** Whether its rules change. */
  isRuled: boolean;
  /** The store's stock before the first of the events. */
  readonly before: { readonly available: number; readonly reserved: number };
  /** Whether this SKU's stock adds up from event to event. */
  isSteady: boolean;
}

const neverAborted = new AbortController().signal; // these reads do not wait

/** Reads the log from the ledger's cursor to the store's head. */
export async function readPending(
  log: EventLog,
  shard: number,
  cursor: Position,
  head: number,
): Promise<Pending> {
  const skus = new Map<string, PendingSku>();
  const names = new Set<string>();
  let at = cursor;
  while (at.seq < head) {
    const entries = await log.read(shard, at, { entriesMax: 64, waitMs: 0, signal: neverAborted });
    if (entries.length === 0) break;
    for (const { position, events } of entries) {
      for (const event of events) {
        if (event.seq <= at.seq || event.seq > head) continue;
        if (event.seq > at.seq + 1) return { cursor, skus, names, lost: lostBetween(at.seq, event.seq - 1) };
        at = { epoch: position.epoch, seq: event.seq };
        names.add(event.id).add(adjustmentKey(event.id)).add(returnKey(event.id, event.reference));
        for (const line of event.lines) {
          names.add(pairKey(event.userId, line.sku));
          const before = {
            available: line.available - line.delta,
            reserved: line.reserved - line.reservedDelta,
          };
          const sku = skus.get(line.sku) ??
            { available: 0, reserved: 0, isRuled: false, before, isSteady: true };
          sku.isSteady &&= sku.before.available + sku.available === before.available &&
            sku.before.reserved + sku.reserved === before.reserved;
          sku.available += line.delta;
          sku.reserved += line.reservedDelta;
          sku.isRuled ||= event.data.policy !== undefined;
          skus.set(line.sku, sku);
        }
      }
    }
  }
  return { cursor, skus, names, lost: at.seq < head ? lostBetween(at.seq, head) : "" };
}

function lostBetween(after: number, last: number): string {
  return `events ${after + 1} to ${last} are neither in the ledger nor in the log`;
}
