/**
 * Compares what a shard's store says with the ledger, while both go on.
 *
 * Some names are read in one step of the store, which also says how far its log was. When the ledger has booked that
 * far, it must say the same. What differs is read again, as it may have changed meanwhile; what differs five times is a
 * difference. Nothing stops, nothing is locked. A shard that is refused, with a log that cannot be booked, does not
 * change: its pending events are taken off the store's figures.
 *
 * @module
 */
import type { Facet, ShardReader } from "../../decide/shard_reader.ts";
import { loadStatements } from "../../ledger/postgres/statements.ts";
import type { Position } from "../../domain/event.ts";
import { sleep } from "../../runtime/world.ts";
import { type Comparer, comparers, type LedgerSide, type Named } from "./facets.ts";
import { Failure } from "../context/failure.ts";
import { type Pending, readPending } from "./pending.ts";
import type { Reach } from "../context/context.ts";
import type { Terminal } from "../context/terminal.ts";

/** Something that store and ledger do not agree on. */
export interface Difference {
  /** Where. */
  readonly shard: number;
  /** `stock`, `rules`, `orders`, `quotas`, `holds`, or `log`. */
  readonly what: string;
  /** SKU, order id, or user and SKU. */
  readonly name: string;
  /** What the ledger says. */
  readonly ledger: string;
  /** What the store says. */
  readonly store: string;
}

/** What a comparison found in a shard. */
export interface ShardComparison {
  /** Which. */
  readonly shard: number;
  /** How many SKUs, orders, buyers and holds were compared. */
  readonly compared: Readonly<Record<Facet, number>>;
  /** The log has events that the ledger cannot book, or that nobody books. */
  readonly isPending: boolean;
  /** What differs, at most {@link differencesMax}. */
  readonly differences: readonly Difference[];
}

/** More than this are not told one by one. */
export const differencesMax = 1000;

const namesMax = 256;
const attemptsMax = 5;
const armedPatienceMs = 60_000;
/** A refused shard is looked at by its worker once a second: a log that can be booked is booked by then. */
const refusedPatienceMs = 3000;
const pollMs = 50;
/** Between the clocks of ledger, store and this process. */
const clockMarginMs = 5000;

/** Compares one shard: all four facets, or one of them. */
export async function compareShard(
  reach: Reach,
  terminal: Terminal,
  shard: number,
  only?: Facet,
): Promise<ShardComparison> {
  return await new ShardCompare(reach, terminal, shard).run(only);
}

class ShardCompare {
  readonly #differences: Difference[] = [];
  readonly #compared: Record<Facet, number> = { stock: 0, orders: 0, quotas: 0, holds: 0 };
  #side!: LedgerSide;
  #reader!: ShardReader;

  constructor(readonly reach: Reach, readonly terminal: Terminal, readonly shard: number) {}

  async run(only?: Facet): Promise<ShardComparison> {
    const { reach, shard } = this;
    const { world, config } = reach;
    this.#reader = await reach.reader();
    this.#side = {
      queries: await reach.books(),
      sql: await loadStatements(),
      shard,
      sinceMs: world.now() - config.idempotencyWindowS * 1000 + clockMarginMs,
      pending: await this.#pending(),
    };
    const lost = this.#side.pending?.lost ?? "";
    if (lost !== "") {
      this.#differences.push({ shard, what: "log", name: "", ledger: lost, store: "sold them" });
    }
    const progress = this.terminal.progress(
      `shard ${shard}`,
      (await (await reach.control()).inspect(shard)).skus,
    );
    for (const comparer of comparers) {
      if (only === undefined || comparer.facet === only) await this.#facet(comparer, progress.show);
    }
    progress.end();
    const isPending = this.#side.pending !== undefined;
    return { shard, isPending, compared: this.#compared, differences: this.#differences };
  }

  /** Every name of the store, then those that only the ledger may know. */
  async #facet(comparer: Comparer, show: (done: number) => void): Promise<void> {
    const { facet } = comparer;
    const compare = async (names: readonly Named[]) => {
      for (let i = 0; i < names.length && this.#differences.length < differencesMax; i += namesMax) {
        await this.#names(comparer, names.slice(i, i + namesMax));
      }
      show(this.#compared.stock);
    };
    const seen = new Set<string>(); // of SKUs: a shard's memory holds them too
    for (let cursor: string | null = ""; cursor !== null;) {
      const page: Awaited<ReturnType<ShardReader["names"]>> = await this.#reader.names(
        this.shard,
        facet,
        cursor,
      );
      const fresh = page.names.filter((name) => !seen.has(name));
      if (facet === "stock") fresh.forEach((name) => seen.add(name));
      this.#compared[facet] += fresh.length;
      await compare(fresh.map((name) => ({ name })));
      cursor = page.next;
    }
    for await (const names of comparer.ledgerNames(this.#side)) {
      const fresh = names.filter(({ name }) => !seen.has(name));
      if (facet === "stock") this.#compared.stock += fresh.length;
      await compare(fresh);
    }
  }

  async #names(comparer: Comparer, names: readonly Named[]): Promise<void> {
    let left = names;
    for (let attempt = 1; left.length > 0; attempt++) {
      const { head, values } = await this.#reader.read(
        this.shard,
        comparer.facet,
        left.map(({ name }) => name),
      );
      await this.#waitForLedger(head);
      const unequal = await comparer.compare(this.#side, left, values, head);
      if (attempt === attemptsMax) {
        for (const [name, found] of unequal) this.#add(name.replace(/\p{Cc}/gu, " ").trim(), found);
        return;
      }
      left = left.filter(({ name }) => unequal.has(name));
      if (left.length > 0) await sleep(this.reach.world, pollMs);
    }
  }

  #add(name: string, found: Omit<Difference, "shard" | "name">): void {
    const { what, ledger, store } = found;
    const isKnown = this.#differences.some((one) => one.what === what && one.name === name);
    if (!isKnown && this.#differences.length < differencesMax) {
      this.#differences.push({ shard: this.shard, what, name, ledger, store });
    }
  }

  async #pending(): Promise<Pending | undefined> {
    const { reach, shard } = this;
    const view = await (await reach.control()).inspect(shard);
    if (view.armed) return undefined;
    const { seq } = view.position;
    if (await this.#reaches(seq, refusedPatienceMs)) return undefined;
    const cursor = await this.#cursor();
    return await readPending(await reach.log(), shard, cursor, seq);
  }

  async #waitForLedger(seq: number): Promise<void> {
    if (this.#side.pending || await this.#reaches(seq, armedPatienceMs)) return;
    const { seq: at } = await this.#cursor();
    throw new Failure(`Cannot compare shard ${this.shard} as its ledger is at ${at} of ${seq}: no worker?`);
  }

  async #reaches(seq: number, patienceMs: number): Promise<boolean> {
    const { world } = this.reach;
    const giveUpMs = world.elapsedMs() + patienceMs;
    while ((await this.#cursor()).seq < seq) {
      if (world.elapsedMs() > giveUpMs) return false;
      await sleep(world, pollMs);
    }
    return true;
  }

  async #cursor(): Promise<Position> {
    const books = await this.reach.books();
    const sql = await loadStatements();
    const [cursor] = await books.query<Position>(sql.read_cursor, [this.shard]);
    return cursor ?? { epoch: 0, seq: 0 };
  }
}
