/**
 * Compares the entries that the store's log still has with the movements of the same numbers, a page at a time. The log
 * keeps at least 10,000 events behind the ledger's cursor.
 *
 * @module
 */
import type { ShardControl } from "../decide/shard_control.ts";
import type { InventoryEvent, LogEntry, Position } from "../domain/event.ts";
import type { ShardLedger } from "../ledger/ledger.ts";
import type { World } from "../runtime/world.ts";
import type { Compared, Found, Moment, Pass } from "./reconcile_pass.ts";

export interface LogPassParts {
  readonly control: Pick<ShardControl, "entries">;
  readonly ledger: Pick<ShardLedger, "shard" | "divergent">;
  readonly world: World;
}

/** At most 64 batches of the store. */
const pageEntries = 64;
const start: Position = { epoch: 0, seq: 0 };

/** See {@link Pass}. */
export class LogPass implements Pass {
  readonly #parts: LogPassParts;
  #after = start;
  #found: Found[] = [];
  #begun: Moment | undefined;
  #agreed: Moment | undefined;

  constructor(parts: LogPassParts) {
    this.#parts = parts;
  }

  async step(applied: Position): Promise<Compared | undefined> {
    const { ledger, world } = this.#parts;
    this.#begun ??= { seq: applied.seq, atMs: world.now() };
    const entries = await this.#read(applied);
    const last = entries.at(-1);
    if (!last) return this.#end();
    const numbers = new Set(await ledger.divergent(entries));
    if (numbers.size > 0) {
      const again = await this.#read(applied);
      const confirmed = new Set(await ledger.divergent(again));
      for (const { events } of again) {
        for (const event of events.filter(({ seq }) => numbers.has(seq) && confirmed.has(seq))) {
          this.#found.push(this.#differs(event));
        }
      }
    }
    this.#after = last.position;
    return undefined;
  }

  /** Entries of which the ledger has every event. */
  async #read(applied: Position): Promise<LogEntry[]> {
    const { control, ledger } = this.#parts;
    const entries = await control.entries(ledger.shard, this.#after, pageEntries);
    return entries.filter(({ position }) => position.seq <= applied.seq);
  }

  #differs({ seq, kind, lines }: InventoryEvent): Found {
    const skus = lines.slice(0, 3).map(({ sku, delta, available, reserved }) =>
      `${sku} ${delta} to ${available}+${reserved}`
    );
    return {
      what: "log",
      name: String(seq),
      ledger: "other contents",
      store: `${kind} ${skus.join(", ")}`,
      agreed: this.#agreed,
    };
  }

  #end(): Compared {
    const found = this.#found;
    [this.#agreed, this.#begun, this.#found, this.#after] = [this.#begun, undefined, [], start];
    return { found, has: (what) => what === "log", skus: 0, isOver: true };
  }
}
