/**
 * Compares a shard's store with the ledger while both run.
 *
 * Names are read from the store, each batch in one step that also returns the head of the log. When the ledger has applied
 * that number, it must have the same values. The ledger may have applied more: a name that differs and was changed by a
 * later event is read again, at most five times; any other name that differs is a difference. Names of lines that were
 * accepted after the start are left out, so the comparison ends at any rate of sales. Nothing is stopped or locked. A
 * refused shard, with a log that cannot be applied, does not change: its pending events are subtracted from the store's
 * values.
 *
 * @module
 */
import type { Facet, ShardReader } from "../../decide/shard_reader.ts";
import { loadStatements } from "../../ledger/postgres/statements.ts";
import type { Position } from "../../domain/event.ts";
import { sleep } from "../../runtime/world.ts";
import { type Comparer, comparers, type LedgerSide, type Named, readChanges } from "./facets.ts";
import type { Unequal } from "../../worker/stock_difference.ts";
import { Failure } from "../context/failure.ts";
import { type Pending, readPending } from "./pending.ts";
import type { CliContext } from "../context/context.ts";
import type { Terminal } from "../context/terminal.ts";

/** A difference between store and ledger. */
export interface Difference {
  readonly shard: number;
  /** `stock`, `rules`, `orders`, `quotas`, `holds`, or `log`. */
  readonly what: string;
  /** SKU, order id, or user and SKU. */
  readonly name: string;
  readonly ledger: string;
  readonly store: string;
}

/** Result of the comparison of a shard. */
export interface ShardComparison {
  readonly shard: number;
  /** Number of compared SKUs, orders, buyers and holds. */
  readonly compared: Readonly<Record<Facet, number>>;
  /** The log has events that the ledger cannot apply, or that no worker applies. */
  readonly isPending: boolean;
  /** At most {@link differencesMax}. */
  readonly differences: readonly Difference[];
}

/** Further differences are only counted. */
export const differencesMax = 1000;

/** Names of one read: the script reads them in one call. */
const namesMax = 256;
/** Names of one wait for the ledger. Waiting for each read made a shard with 30,000 orders take minutes under load. */
const groupNames = 2048;
const attemptsMax = 5;
const armedPatienceMs = 60_000;
/** A worker verifies its refused shards once a second: a log that can be applied is applied by then. */
const refusedPatienceMs = 3000;
const pollMs = 50;
/** Maximum difference between the clocks of ledger, store and this process. */
const clockMarginMs = 5000;

/** Compares one shard: all four facets, or one of them. */
export async function compareShard(
  context: CliContext,
  terminal: Terminal,
  shard: number,
  only?: Facet,
): Promise<ShardComparison> {
  return await new ShardCompare(context, terminal, shard).run(only);
}

class ShardCompare {
  readonly #differences: Difference[] = [];
  readonly #compared: Record<Facet, number> = { stock: 0, orders: 0, quotas: 0, holds: 0 };
  #unsettled = 0;
  #side!: LedgerSide;
  #reader!: ShardReader;

  constructor(readonly context: CliContext, readonly terminal: Terminal, readonly shard: number) {}

  async run(only?: Facet): Promise<ShardComparison> {
    const { context, shard, terminal } = this;
    const { world, config } = context;
    this.#reader = await context.reader();
    const { skus, position } = await (await context.control()).inspect(shard);
    this.#side = {
      queries: await context.database(),
      sql: await loadStatements(),
      shard,
      sinceMs: () => world.now() - config.idempotencyWindowS * 1000 + clockMarginMs,
      untilSeq: position.seq,
      pending: await this.#pending(),
    };
    await this.#waitForLedger(position.seq);
    const lost = this.#side.pending?.lost ?? "";
    if (lost !== "") {
      this.#differences.push({ shard, what: "log", name: "", ledger: lost, store: "sold them" });
    }
    for (const comparer of comparers) {
      if (only !== undefined && comparer.facet !== only) continue;
      const total = comparer.facet === "stock" ? skus : undefined;
      const progress = terminal.progress(`shard ${shard} ${comparer.facet}`, total);
      await this.#facet(comparer, progress.show);
      progress.end();
    }
    if (this.#unsettled > 0) {
      terminal.note(
        `shard ${shard}: ${this.#unsettled} names changed at every read: not compared`,
      );
    }
    const isPending = this.#side.pending !== undefined;
    return { shard, isPending, compared: this.#compared, differences: this.#differences };
  }

  /** Every name of the store, then those that only the ledger may have. */
  async #facet(comparer: Comparer, show: (done: number) => void): Promise<void> {
    const { facet } = comparer;
    let done = 0;
    const compare = async (names: readonly Named[]) => {
      for (let i = 0; i < names.length && this.#differences.length < differencesMax; i += groupNames) {
        await this.#names(comparer, names.slice(i, i + groupNames));
      }
      show(done += names.length);
    };
    const seen = new Set<string>(); // of SKUs: they fit into a shard's memory, too
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
      const { unequal, firstHead } = await this.#look(comparer, left);
      if (unequal.size === 0) return;
      const changes = await readChanges(this.#side, firstHead);
      const isChanging = (name: string) => comparer.isChanged(name, changes);
      for (const [name, found] of unequal) {
        if (!isChanging(name)) this.#add(name.replace(/\p{Cc}/gu, " ").trim(), found);
      }
      left = left.filter(({ name }) => unequal.has(name) && isChanging(name));
      if (attempt === attemptsMax) {
        this.#unsettled += left.length;
        return;
      }
      if (left.length > 0) await sleep(this.context.world, pollMs);
    }
  }

  /** Reads the names from the store, waits once until the ledger has applied as far, and compares each read at its own head. */
  async #look(comparer: Comparer, names: readonly Named[]) {
    const reads = [];
    for (let i = 0; i < names.length; i += namesMax) {
      const some = names.slice(i, i + namesMax);
      const read = await this.#reader.read(this.shard, comparer.facet, some.map(({ name }) => name));
      reads.push({ some, ...read });
    }
    await this.#waitForLedger(reads.at(-1)?.head ?? 0);
    const unequal = new Map<string, Unequal>();
    for (const { some, values, head } of reads) {
      for (const [name, found] of await comparer.compare(this.#side, some, values, head)) {
        unequal.set(name, found);
      }
    }
    return { unequal, firstHead: reads[0]?.head ?? 0 };
  }

  #add(name: string, found: Omit<Difference, "shard" | "name">): void {
    const { what, ledger, store } = found;
    const isKnown = this.#differences.some((one) => one.what === what && one.name === name);
    if (!isKnown && this.#differences.length < differencesMax) {
      this.#differences.push({ shard: this.shard, what, name, ledger, store });
    }
  }

  async #pending(): Promise<Pending | undefined> {
    const { context, shard } = this;
    const view = await (await context.control()).inspect(shard);
    if (view.armed) return undefined;
    const { seq } = view.position;
    if (await this.#reaches(seq, refusedPatienceMs)) return undefined;
    const cursor = await this.#cursor();
    return await readPending(await context.log(), shard, cursor, seq);
  }

  async #waitForLedger(seq: number): Promise<void> {
    if (this.#side.pending || await this.#reaches(seq, armedPatienceMs)) return;
    const { seq: at } = await this.#cursor();
    throw new Failure(`Cannot compare shard ${this.shard} as its ledger is at ${at} of ${seq}: no worker?`);
  }

  async #reaches(seq: number, patienceMs: number): Promise<boolean> {
    const { world } = this.context;
    const giveUpMs = world.elapsedMs() + patienceMs;
    while ((await this.#cursor()).seq < seq) {
      if (world.elapsedMs() > giveUpMs) return false;
      await sleep(world, pollMs);
    }
    return true;
  }

  async #cursor(): Promise<Position> {
    const database = await this.context.database();
    const sql = await loadStatements();
    const [cursor] = await database.query<Position>(sql.read_cursor, [this.shard]);
    return cursor ?? { epoch: 0, seq: 0 };
  }
}
