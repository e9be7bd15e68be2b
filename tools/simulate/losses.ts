/**
 * What servers lost in a run: invariants leave that out, and nothing else.
 *
 * @module
 */
import type { Accepted } from "./clients.ts";
import type { SimulatedLedger } from "./ledger.ts";
import type { SimulatedStore } from "./store.ts";

/** What a run has lost so far. */
export class Losses {
  readonly #ledger: SimulatedLedger;
  readonly #windowMs: number;
  /** Events, as `<shard> <id> <number>`: their numbers may be missing in the ledger. */
  readonly #names = new Set<string>();
  /** Orders with an event that neither ledger nor store has. */
  readonly #orders = new Set<string>();
  /** Shards whose store lost something. */
  readonly #hollow = new Set<number>();
  /** A server lost data. */
  isAny = false;
  /** How often the ledger went back. */
  timesBack = 0;

  constructor(ledger: SimulatedLedger, windowMs: number) {
    this.#ledger = ledger;
    this.#windowMs = windowMs;
  }

  isLost({ shard, id, seq }: Pick<Accepted, "shard" | "id" | "seq">): boolean {
    return this.#names.has(`${shard} ${id} ${seq}`);
  }

  /** Commands that were accepted and lost. */
  among(accepted: readonly Accepted[]): number {
    return accepted.filter((one) => this.isLost(one)).length;
  }

  /** Baskets that need not be whole: the ledger lost commits, and a store the same events. */
  get orders(): ReadonlySet<string> {
    return this.timesBack > 0 ? this.#orders : new Set();
  }

  /** The store decided an event from keys that were put back: it may be lost. */
  doubt(shard: number, name: string): void {
    this.#names.add(`${shard} ${name}`);
    this.#orders.add(orderOf(name));
  }

  /** A store has lost what it had: the ledger still has what it applied. */
  lose(store: SimulatedStore): void {
    this.isAny = true;
    this.#hollow.add(store.shard);
    const rows = this.#ledger.query<{ id: string; seq: number }>(
      "select order_id as id, seq from movements where shard = ?1",
      [store.shard],
    );
    const applied = new Set(rows.map(({ id, seq }) => `${id} ${seq}`));
    for (const name of outsideLog(store)) if (!applied.has(name)) this.doubt(store.shard, name);
  }

  /** The ledger went back: the logs still have what they have. A store remembers the window, unless it lost it. */
  ledgerWentBack(stores: readonly SimulatedStore[]): void {
    this.isAny = true;
    this.timesBack++;
    for (const store of stores) {
      const remembered = store.state.shard.remembered();
      for (const name of outsideLog(store)) {
        this.#names.add(`${store.shard} ${name}`);
        const order = orderOf(name);
        if (this.#hollow.has(store.shard) && !remembered.has(order)) this.#orders.add(order);
      }
    }
  }

  /** An operator accepted the loss of numbers. A store that is copied remembers those of the window. */
  accept(
    store: SimulatedStore,
    fromSeq: number,
    toSeq: number,
    source: "store" | "ledger",
    nowMs: number,
  ): void {
    for (const [name, { seq, atMs }] of store.issued) {
      if (seq <= fromSeq || seq > toSeq) continue;
      this.#names.add(`${store.shard} ${name}`);
      // The worker copies it a few seconds later.
      const isOld = nowMs - atMs > this.#windowMs / 2;
      if (source === "ledger" || isOld) this.#orders.add(orderOf(name));
    }
  }
}

function* outsideLog({ issued, state }: SimulatedStore): Generator<string> {
  const kept = new Set(state.log.flatMap(({ events }) => events.map(({ id, seq }) => `${id} ${seq}`)));
  for (const name of issued.keys()) if (!kept.has(name)) yield name;
}

function orderOf(name: string): string {
  return name.slice(0, name.lastIndexOf(" "));
}
