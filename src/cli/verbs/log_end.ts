/**
 * The numbers of a log that the ledger has not applied, and how many of them it can apply.
 *
 * @module
 */
import type { ShardControl } from "../../decide/shard_control.ts";
import type { InventoryEvent, LogEntry, Position } from "../../domain/event.ts";
import type { StockAt } from "../../ledger/ledger.ts";
import type { EventLog } from "../../log/event_log.ts";
import { hasNext } from "../../worker/fork.ts";

export interface LogEndParts {
  readonly log: EventLog;
  readonly control: Pick<ShardControl, "entries">;
  /** SKUs as they are in the ledger just after a number. */
  readonly stockAt: (skus: readonly string[], seq: number) => Promise<readonly StockAt[]>;
  readonly shard: number;
}

/** Numbers in a log. */
export interface LogEnd {
  /** Last number that the ledger has, or can apply. */
  readonly fromSeq: number;
  /** Last number in the log. */
  readonly last: number;
}

interface Quantities {
  readonly available: number;
  readonly reserved: number;
}

const none: Quantities = { available: 0, reserved: 0 };
const neverAborted = new AbortController().signal; // these reads do not wait

/** Reads a log from the ledger's cursor to its end, and stops counting where the worker stops: see `applyRest`. */
export async function readLogEnd(parts: LogEndParts, cursor: Position): Promise<LogEnd> {
  const { log, shard } = parts;
  const stock = new LedgerStock(parts, cursor.seq);
  let [fromSeq, last, isOver] = [cursor.seq, cursor.seq, false];
  for (let after = cursor;;) {
    const entries = await log.read(shard, after, { entriesMax: 64, waitMs: 0, signal: neverAborted });
    const end = entries.at(-1)?.position;
    if (!end) return { fromSeq, last };
    await stock.load(entries);
    for (const event of entries.flatMap(({ events }) => events)) {
      last = Math.max(last, event.seq);
      if (isOver || event.seq !== fromSeq + 1) continue;
      const isNext = stock.takes(event) ||
        await hasNext(entries, { seq: fromSeq }, { ...parts, ledger: { shard } });
      if (isNext) fromSeq = event.seq;
      else isOver = true;
    }
    after = end;
  }
}

/** The ledger's stock after each event of a log. */
class LedgerStock {
  readonly #stock = new Map<string, Quantities>();

  constructor(readonly parts: LogEndParts, readonly seq: number) {}

  /** Reads the SKUs that these entries change. */
  async load(entries: readonly LogEntry[]): Promise<void> {
    const skus = entries.flatMap(({ events }) => events.flatMap(({ lines }) => lines.map(({ sku }) => sku)));
    const fresh = [...new Set(skus)].filter((sku) => !this.#stock.has(sku));
    if (fresh.length === 0) return;
    for (const sku of fresh) this.#stock.set(sku, none);
    const rows = await this.parts.stockAt(fresh, this.seq);
    for (const { sku, available, reserved } of rows) this.#stock.set(sku, { available, reserved });
  }

  /** Whether an event follows from the stock, which it then changes in any case. */
  takes({ lines }: InventoryEvent): boolean {
    const isNext = lines.every(({ sku, delta, reservedDelta, available, reserved }) => {
      const before = this.#stock.get(sku) ?? none;
      return before.available + delta === available && before.reserved + reservedDelta === reserved;
    });
    for (const { sku, available, reserved } of lines) this.#stock.set(sku, { available, reserved });
    return isNext;
  }
}
