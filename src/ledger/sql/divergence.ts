/**
 * Compares events of a log with the applied events of the same numbers.
 *
 * A store that was restored to an older state issues numbers a second time, for other sales. These entries look as if
 * they were applied already.
 *
 * @module
 */
import type { InventoryEvent } from "../../domain/event.ts";
import type { Queries } from "../database.ts";
import { isPseudonym } from "../../domain/pseudonym.ts";
import { readable } from "../movements.ts";
import type { Statements } from "./statements.ts";

/** A row of the statement `find_events`: one line of an event. */
interface EventRow {
  readonly seq: number;
  readonly kind: string;
  readonly id: string;
  readonly userId: string;
  readonly atMs: number;
  readonly sku: string;
  readonly delta: number;
  readonly reservedDelta: number;
  readonly available: number;
  readonly reserved: number;
}

/** A row of the statement `find_jumps`. */
interface JumpRow {
  /** Last number before the jump. */
  readonly fromSeq: number;
  /** The last lost number. */
  readonly toSeq: number;
}

/**
 * Numbers of events that the ledger has with other contents, or not at all, except those declared lost.
 *
 * @param events with increasing numbers, none above the ledger's cursor
 */
export async function findDivergent(
  queries: Pick<Queries, "query">,
  sql: Statements,
  shard: number,
  events: readonly InventoryEvent[],
): Promise<number[]> {
  const [first, last] = [events[0]?.seq, events.at(-1)?.seq];
  if (first === undefined || last === undefined) return [];
  const range = [shard, first, last];
  const [rows, jumps] = await Promise.all([
    queries.query<EventRow>(sql.find_events, range),
    queries.query<JumpRow>(sql.find_jumps, range),
  ]);
  const applied = Map.groupBy(rows, ({ seq }) => seq);
  const isLost = (seq: number) => jumps.some(({ fromSeq, toSeq }) => fromSeq < seq && seq <= toSeq);
  return events.filter((event) => {
    const inLedger = applied.get(event.seq) ?? [];
    // A forgotten user is still in the log.
    const isForgotten = inLedger.some(({ userId }) => isPseudonym(userId));
    const rows = isForgotten ? rowsOf({ ...event, userId: inLedger[0]?.userId ?? "" }) : rowsOf(event);
    return contentsOf(rows) !== contentsOf(inLedger);
  }).map(({ seq }) => seq).filter((seq) => !isLost(seq));
}

/** An event as its movements are stored, with the replacements that PostgreSQL needs. */
function rowsOf(event: InventoryEvent): EventRow[] {
  const { seq, kind, id, userId, atMs, lines } = readable({ ...event, epoch: 0 });
  return lines.map((line) => ({ seq, kind, id, userId, atMs, ...line }));
}

function contentsOf(rows: readonly EventRow[]): string {
  return JSON.stringify(
    rows.map((row) => [
      ...[row.kind, row.id, row.userId, row.atMs],
      ...[row.sku, row.delta, row.reservedDelta, row.available, row.reserved],
    ]),
  );
}
