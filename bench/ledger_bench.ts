/**
 * What one transaction of the ledger costs, by the number of events in it: `deno task bench bench/ledger_bench.ts`.
 * Events a second = events / time per iteration. PostgreSQL runs with the server's own settings, fsync among them.
 */
import type { Database } from "../src/ledger/database.ts";
import { openPglite } from "../src/ledger/pglite.ts";
import { openPostgres } from "../src/ledger/postgres.ts";
import { openLedger } from "../src/ledger/sql_ledger.ts";
import type { InventoryEvent, LogEntry } from "../src/log/event.ts";
import { realWorld } from "../src/world.ts";
import { sharedPostgres } from "../tests/servers/shared.ts";

/** Events an entry: a batch of the store under load. */
const entryEvents = 64;
/** SKUs on sale, each with enough units for the whole run. */
const skus = 200;
const unitsEach = 1_000_000_000;

const decision = {
  userId: "",
  fingerprint: "0123456789abcdef",
  actor: "shop",
  traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
  reason: "",
  reference: "",
};

/** Writes a shard's log as the store would. */
class Till {
  #seq = 0;
  readonly #available = new Map<string, number>();

  open(): LogEntry {
    return this.#entry(Array.from({ length: skus }, (_, i) => {
      const sku = `SKU_${i}`;
      this.#available.set(sku, unitsEach);
      return this.#event("create", `opening-${i}`, sku, unitsEach, unitsEach);
    }));
  }

  sell(events: number): LogEntry[] {
    const entries: LogEntry[] = [];
    for (let left = events; left > 0; left -= entryEvents) {
      entries.push(this.#entry(Array.from({ length: Math.min(left, entryEvents) }, () => this.#sale())));
    }
    return entries;
  }

  #sale(): InventoryEvent {
    const sku = `SKU_${this.#seq % skus}`;
    const available = (this.#available.get(sku) ?? 0) - 1;
    this.#available.set(sku, available);
    return this.#event("deduct", crypto.randomUUID(), sku, -1, available);
  }

  #event(kind: string, id: string, sku: string, delta: number, available: number): InventoryEvent {
    this.#seq++;
    const lines = [{ sku, delta, reservedDelta: 0, available, reserved: 0 }];
    return { ...decision, seq: this.#seq, kind, id, userId: `user-${this.#seq}`, atMs: Date.now(), lines };
  }

  #entry(events: InventoryEvent[]): LogEntry {
    return { position: { epoch: 1, seq: this.#seq }, events };
  }
}

async function benchLedger(name: string, database: Database): Promise<void> {
  const ledger = await openLedger(database, realWorld);
  await ledger.prepare(1);
  const till = new Till();
  let shard = await ledger.lease(0);
  await shard?.apply([till.open()]);
  for (const events of [1, 64, 256, 1024, 2048]) {
    Deno.bench(
      `${name}: ${events} events`,
      { group: name, n: events > 256 ? 20 : 50, warmup: 5 },
      async (b) => {
        // Between two benchmarks the session may have been silent for too long.
        await shard?.beat().catch(async () => shard = await ledger.lease(0));
        const entries = till.sell(events);
        b.start();
        const applied = await shard?.apply(entries);
        b.end();
        if (applied?.kind !== "applied") throw new Error(`Cannot book: ${JSON.stringify(applied)}`);
      },
    );
  }
}

const database = await sharedPostgres().freshDatabase();
await benchLedger(
  "PostgreSQL",
  openPostgres({
    url: database,
    namespace: "inventory",
    applicationName: "holdfast-bench",
    world: realWorld,
  }),
);

const folder = await Deno.makeTempDir({ prefix: "holdfast-bench-" });
addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));
await benchLedger("PGlite", await openPglite({ folder, namespace: "inventory" }));
