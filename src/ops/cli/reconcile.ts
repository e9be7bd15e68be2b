/**
 * `reconcile`: compares store and ledger while both go on.
 *
 * Some SKUs are read in one step of the store, which also says how far its log was. When the ledger has booked that
 * far, its stock without everything booked later must be the same. Nothing stops, nothing is locked.
 *
 * @module
 */
import type { ReadStock } from "../../inventory/command.ts";
import type { ShardControl } from "../../inventory/shard_control.ts";
import type { StockStore } from "../../inventory/store.ts";
import type { Queries } from "../../ledger/database.ts";
import type { Difference } from "../../ledger/ledger.ts";
import { sleep, type World } from "../../world.ts";
import { exits, Failure } from "./failure.ts";
import { allShards, type Reach } from "./reach.ts";
import { table, type Terminal } from "./terminal.ts";

/** What a comparison found in a shard. */
export interface ShardComparison {
  /** Which. */
  readonly shard: number;
  /** How many were compared. */
  readonly skus: number;
  /** Those that differ. */
  readonly differences: readonly Difference[];
}

const readsMax = 256;
const ledgerPageRows = 5000;
const lagPatienceMs = 60_000;
const pollMs = 50;
const readDeadlineMs = 10_000;

/** The stock as it was right after number $3, without SKUs made later: one statement, so one moment. */
const stockAtSql = `
  with later as materialized (
    select sku, sum(delta)::bigint as delta, sum(reserved_delta)::bigint as reserved_delta,
      bool_or(kind = 'create') as made
    from movements where shard = $1 and seq > $3 group by sku
  )
  select s.sku, s.available - coalesce(later.delta, 0) as available,
    s.reserved - coalesce(later.reserved_delta, 0) as reserved
  from stock s left join later using (sku)
  where s.shard = $1 and later.made is not true and s.sku in (select json_array_elements_text($2::text::json))`;

/** Prints all differences. Returns 1 when there are any. */
export async function reconcile(
  reach: Reach,
  terminal: Terminal,
  shard: number | undefined,
): Promise<number> {
  const compared = await compareShards(reach, terminal, shard);
  const differences = compared.flatMap((one) => one.differences.map((found) => row(one.shard, found)));
  const skus = compared.reduce((sum, one) => sum + one.skus, 0);
  const text = differences.length === 0 ? `${skus} SKUs agree` : table(differences);
  terminal.result({ skus, differences }, text);
  return differences.length === 0 ? exits.ok : exits.failed;
}

/** Compares one shard, or all of them one after the other. */
export async function compareShards(
  reach: Reach,
  terminal: Terminal,
  only: number | undefined,
): Promise<ShardComparison[]> {
  await reach.deployment();
  const comparison = new Comparison(
    reach.world,
    await reach.control(),
    await reach.store(reach.config.userLimitMs),
    await reach.books(),
  );
  const compared: ShardComparison[] = [];
  for (const shard of chosenShards(reach, only)) {
    const { skus } = await (await reach.control()).inspect(shard);
    const progress = terminal.progress(`shard ${shard}`, skus);
    compared.push(await comparison.shard(shard, progress.show));
    progress.end();
  }
  return compared;
}

/** The shard that was asked for, or all. */
export function chosenShards(reach: Reach, only: number | undefined): number[] {
  if (only === undefined) return allShards(reach);
  if (only >= 0 && only < reach.config.shards) return [only];
  throw new Failure(`--shard must be from 0 to ${reach.config.shards - 1}`, "usage");
}

/** A difference as a row of a table; null where a side does not know the SKU. */
export function row(
  shard: number,
  { sku, ledger, store }: Difference,
): Record<string, string | number | null> {
  return {
    shard,
    sku,
    ledger_available: ledger?.available ?? null,
    ledger_reserved: ledger?.reserved ?? null,
    store_available: store?.available ?? null,
    store_reserved: store?.reserved ?? null,
  };
}

type Figures = { available: number; reserved: number };

class Comparison {
  constructor(
    readonly world: World,
    readonly control: ShardControl,
    readonly store: StockStore,
    readonly books: Queries,
  ) {}

  /** Every SKU of the store, then those that only the ledger knows. */
  async shard(shard: number, show: (done: number) => void): Promise<ShardComparison> {
    const differences: Difference[] = [];
    const seen = new Set<string>();
    const compare = async (skus: readonly string[]) => {
      const fresh = skus.filter((sku) => !seen.has(sku));
      fresh.forEach((sku) => seen.add(sku));
      for (let i = 0; i < fresh.length; i += readsMax) {
        differences.push(...await this.#page(shard, fresh.slice(i, i + readsMax)));
      }
      show(seen.size);
    };
    for (let cursor: string | null = "0"; cursor !== null;) {
      const page: Awaited<ReturnType<ShardControl["stock"]>> = await this.control.stock(shard, cursor);
      await compare(page.rows.map(({ sku }) => sku));
      cursor = page.next;
    }
    for (let after: string | undefined = ""; after !== undefined;) {
      const rows: { sku: string }[] = await this.books.query<{ sku: string }>(
        "select sku from stock where shard = $1 and sku > $2 order by sku limit $3",
        [shard, after, ledgerPageRows],
      );
      await compare(rows.map(({ sku }) => sku));
      after = rows.length === ledgerPageRows ? rows.at(-1)?.sku : undefined;
    }
    return { shard, skus: seen.size, differences };
  }

  async #page(shard: number, skus: readonly string[]): Promise<Difference[]> {
    const { head, figures } = await this.#readStore(shard, skus);
    await this.#waitForLedger(shard, head);
    const rows = await this.books.query<Figures & { sku: string }>(stockAtSql, [
      shard,
      JSON.stringify(skus),
      head,
    ]);
    const books = new Map(rows.map((found) => [found.sku, found]));
    return skus.flatMap((sku) => {
      const [book, stock] = [books.get(sku), figures.get(sku)];
      if (book?.available === stock?.available && book?.reserved === stock?.reserved) return [];
      const ledger = book && { available: book.available, reserved: book.reserved };
      return [{ sku, ledger, store: stock }];
    });
  }

  async #readStore(
    shard: number,
    skus: readonly string[],
  ): Promise<{ head: number; figures: Map<string, Figures> }> {
    const { timeMs } = await this.store.decide(shard, []);
    const deadlineMs = Math.floor(timeMs + readDeadlineMs);
    const batch = skus.map((sku) => ({ command: { kind: "stock", sku } satisfies ReadStock, deadlineMs }));
    let result = await this.store.decide(shard, batch);
    while (result.kind === "decided" && result.outcomes.some(({ kind }) => kind === "postponed")) {
      result = await this.store.decide(shard, batch); // each call gives back more of what has lapsed
    }
    if (result.kind === "unarmed") {
      throw new Failure(
        `Cannot compare shard ${shard} as it is not armed: its worker compares it before it arms it`,
      );
    }
    const figures = new Map<string, Figures>();
    for (const outcome of result.outcomes) {
      if (outcome.kind === "stock") {
        figures.set(outcome.sku, { available: outcome.available, reserved: outcome.reserved });
      } else if (outcome.kind !== "unknown_sku") {
        throw new Failure(`Cannot compare shard ${shard} as a read was refused: ${outcome.kind}`);
      }
    }
    return { head: result.head, figures };
  }

  async #waitForLedger(shard: number, seq: number): Promise<void> {
    const giveUpMs = this.world.elapsedMs() + lagPatienceMs;
    for (;;) {
      const [cursor] = await this.books.query<{ seq: number }>(
        "select seq from log_cursor where shard = $1",
        [shard],
      );
      if ((cursor?.seq ?? -1) >= seq) return;
      if (this.world.elapsedMs() > giveUpMs) {
        throw new Failure(
          `Cannot compare shard ${shard} as its ledger is at ${cursor?.seq} of ${seq}: no worker?`,
        );
      }
      await sleep(this.world, pollMs);
    }
  }
}
