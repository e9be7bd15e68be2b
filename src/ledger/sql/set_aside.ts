/**
 * Reservations that are dead letters. Their movement is applied, so their units are reserved, and they have no order line
 * that says until when: without them a rebuilt store would keep those units reserved for ever.
 *
 * @module
 */
import type { InventoryEvent } from "../../domain/event.ts";
import { unsettled } from "../../domain/outcome.ts";
import type { LineRow } from "../../domain/rows.ts";
import type { Queries } from "../database.ts";
import type { Statements } from "./statements.ts";

const pageRows = 1000;
/** An event of these kinds ends a reservation. It has no line to end, so it is a dead letter, too. */
const ends: ReadonlySet<string> = new Set(["confirm", "cancel", "expire"]);

interface Letter {
  readonly seq: number;
  /** JSON, as it came. */
  readonly event: string;
}

/** A reservation, and its expiry after its extensions. */
interface Hold {
  readonly event: InventoryEvent;
  expiresAtMs: number;
}

/** The lines of reservations that are dead letters and have not ended. */
export async function holdsSetAside(
  queries: Pick<Queries, "query">,
  sql: Statements,
  shard: number,
): Promise<LineRow[]> {
  const open = new Map<string, Hold>();
  for (let after: number | undefined = 0; after !== undefined;) {
    const page: Letter[] = await queries.query<Letter>(sql.page_dead_letters, [shard, after, pageRows]);
    for (const { event } of page) follow(open, JSON.parse(event) as InventoryEvent);
    after = page.length === pageRows ? page.at(-1)?.seq : undefined;
  }
  return [...open.values()].flatMap(linesOf);
}

function follow(open: Map<string, Hold>, event: InventoryEvent): void {
  const { kind, id, data } = event;
  const hold = open.get(id);
  if (kind === "reserve") open.set(id, { event, expiresAtMs: data.expires ?? 0 });
  else if (kind === "extend" && hold) hold.expiresAtMs = data.expires ?? hold.expiresAtMs;
  else if (ends.has(kind)) open.delete(id);
}

function linesOf({ event, expiresAtMs }: Hold): LineRow[] {
  const { id, seq, atMs, userId, actor, data, lines } = event;
  return lines.map(({ sku, reservedDelta, available }) => ({
    ...unsettled,
    ...{
      id,
      returnId: "",
      sku,
      kind: "reserve",
      amount: reservedDelta,
      newStock: available,
      seq,
      atMs,
      userId,
    },
    ...{ state: "held", units: reservedDelta, holdMs: data.hold ?? 0, expiresAtMs, actor },
  }));
}
