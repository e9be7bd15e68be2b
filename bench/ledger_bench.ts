/**
 * What one transaction of the ledger costs, by the number of events in it: `deno task bench bench/ledger_bench.ts`.
 * Events a second = events / time per iteration. PostgreSQL runs with the server's own settings, fsync among them.
 */
import type { Ledger } from "../src/ledger/ledger.ts";
import { openSqliteLedger } from "../src/ledger/sqlite/ledger.ts";
import { openPostgres } from "../src/ledger/postgres/server.ts";
import { openLedger } from "../src/ledger/postgres/ledger.ts";
import type { InventoryEvent, LogEntry } from "../src/domain/event.ts";
import { realWorld } from "../src/runtime/world.ts";
import { sharedPostgres } from "../tools/servers/shared.ts";

/** Events an entry: a batch of the store under load. */
const entryEvents = 64;
/** SKUs on sale, each with enough units for the whole run. */
const skus = 200;
const unitsEach = 1_000_000_000;

const decision = {
  userId: "",
  actor: "shop",
  traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
  reason: "",
  reference: "",
  data: {},
};

/** Writes a shard's log as the store would. */
class Till {
  #seq = 0;
  readonly #stock = new Map<string, { available: number; reserved: number }>();

  open(): LogEntry {
    return this.#entry(
      Array.from({ length: skus }, (_, i) => this.#event("create", `opening-${i}`, i, unitsEach, 0)),
    );
  }

  sell(events: number): LogEntry[] {
    return this.#entries(events, (i) => this.#event("deduct", crypto.randomUUID(), i, -1, 0));
  }

  /** Half of the events are reservations, the other half confirms them. */
  hold(events: number): LogEntry[] {
    const ids = Array.from({ length: events / 2 }, () => crypto.randomUUID());
    const data = { hold: 600_000, expires: Date.now() + 600_000 };
    return [
      ...this.#entries(ids.length, (i) => ({ ...this.#event("reserve", ids[i] ?? "", i, -1, 1), data })),
      ...this.#entries(ids.length, (i) => this.#event("confirm", ids[i] ?? "", i, 0, -1)),
    ];
  }

  #entries(events: number, make: (index: number) => InventoryEvent): LogEntry[] {
    const entries: LogEntry[] = [];
    for (let done = 0; done < events; done += entryEvents) {
      const length = Math.min(events - done, entryEvents);
      entries.push(this.#entry(Array.from({ length }, (_, i) => make(done + i))));
    }
    return entries;
  }

  #event(kind: string, id: string, index: number, delta: number, reservedDelta: number): InventoryEvent {
    this.#seq++;
    const sku = `SKU_${index % skus}`;
    const { available, reserved } = this.#stock.get(sku) ?? { available: 0, reserved: 0 };
    const after = { available: available + delta, reserved: reserved + reservedDelta };
    this.#stock.set(sku, after);
    const lines = [{ sku, delta, reservedDelta, ...after }];
    return { ...decision, seq: this.#seq, kind, id, userId: `user-${this.#seq}`, atMs: Date.now(), lines };
  }

  #entry(events: InventoryEvent[]): LogEntry {
    return { position: { epoch: 1, seq: this.#seq }, events };
  }
}

async function benchLedger(name: string, ledger: Ledger): Promise<void> {
  await ledger.prepare(1);
  const till = new Till();
  let shard = await ledger.lease(0);
  await shard?.apply([till.open()]);
  const bench = (what: string, group: string, n: number, make: () => LogEntry[]) =>
    Deno.bench(`${name}: ${what}`, { group, n, warmup: 5 }, async (b) => {
      // Between two benchmarks the session may have been silent for too long.
      await shard?.beat().catch(async () => shard = await ledger.lease(0));
      const entries = make();
      b.start();
      const applied = await shard?.apply(entries);
      b.end();
      if (applied?.kind !== "applied") throw new Error(`Cannot book: ${JSON.stringify(applied)}`);
      if (applied.deadLetters > 0) throw new Error(`Cannot book ${applied.deadLetters} events`);
    });
  for (const events of [1, 64, 256, 1024, 2048]) {
    bench(`${events} events`, name, events > 256 ? 20 : 50, () => till.sell(events));
  }
  for (const events of [64, 2048]) {
    bench(`${events} events of reservations`, `${name}, reservations`, 20, () => till.hold(events));
  }
}

const url = await sharedPostgres().freshDatabase();
const options = { url, namespace: "inventory", applicationName: "holdfast-bench", world: realWorld };
await benchLedger("PostgreSQL", await openLedger(openPostgres(options), realWorld));

const folder = await Deno.makeTempDir({ prefix: "holdfast-bench-" });
addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));
await benchLedger("SQLite", await openSqliteLedger({ folder, namespace: "inventory", world: realWorld }));
