/**
 * What is done to a ledger and read of it, drawn by a seed.
 */
import assert from "node:assert/strict";
import type { InventoryEvent } from "../../src/domain/event.ts";
import { Chance } from "../../tools/simulate/scheduler.ts";
import { entry, event } from "./ledger_fixture.ts";
import { basketIds, RandomBaskets, shards, type Step } from "./random_baskets.ts";
import { adjustmentIds, oneOf, orderIds, RandomShelf, returnIds } from "./random_lives.ts";

export const dayMs = 86_400_000;
const by = { actor: "cli:alice", reason: "a test" };

/** Draws what is done and read. */
export class Draw {
  readonly chance: Chance;
  readonly shelves: readonly RandomShelf[];
  readonly #baskets: RandomBaskets;
  readonly #last: InventoryEvent[][] = shards.map(() => []);
  readonly #epochs = shards.map(() => 1);

  constructor(seed: number) {
    this.chance = new Chance(seed, 0);
    this.shelves = shards.map((shard) => new RandomShelf(this.chance, shard));
    this.#baskets = new RandomBaskets(this.chance, {
      shelf: (shard) => this.#shelf(shard),
      epoch: (shard) => this.#epoch(shard),
    });
  }

  #shelf(shard: number): RandomShelf {
    return this.shelves[shard] ?? assert.fail();
  }

  #epoch(shard: number): number {
    return this.#epochs[shard] ?? assert.fail();
  }

  step(shard: number): Step {
    const { chance } = this;
    const kinds: (() => Step)[] = [
      ...Array.from({ length: 9 }, () => () => this.#apply(shard)),
      ...Array.from({ length: 4 }, () => () => this.#baskets.step(shard)),
      () => this.#mismatch(shard),
      () => this.#forget(shard),
      () => this.#forget(shard),
      () => this.#jump(shard),
      () => this.#correct(shard),
      () => this.#close(),
      () => this.#note(shard),
    ];
    return oneOf(chance, kinds)();
  }

  /** Applies new events, with applied ones before them at times. */
  #apply(shard: number): Step {
    const { chance } = this;
    const shelf = this.#shelf(shard);
    const fresh = Array.from({ length: chance.between(1, 5) }, () => shelf.next(this.#baskets.names));
    const known = chance.isHit(0.2) ? (this.#last[shard] ?? []).slice(-chance.between(1, 4)) : [];
    const all = [...known, ...fresh];
    this.#last[shard] = fresh;
    if (chance.isHit(0.1)) this.#epochs[shard] = this.#epoch(shard) + 1;
    const epoch = this.#epoch(shard);
    const middle = chance.between(0, all.length);
    const entries = [all.slice(0, middle), all.slice(middle)].filter((part) => part.length > 0)
      .map((part) => entry(epoch, ...part));
    const [other] = fresh;
    return async (_, ledger) => [
      await ledger.apply(entries),
      await ledger.divergent(other ? [entry(epoch, { ...other, userId: "another" })] : []),
    ];
  }

  /** A batch whose last value of a SKU is not what the movements add up to, or below zero. With rules it takes other steps. */
  #mismatch(shard: number): Step {
    const { chance } = this;
    const shelf = this.#shelf(shard);
    const sku = oneOf(chance, ["SKU-1", "SKU-2"]);
    const { available, reserved } = shelf.stockOf(sku);
    const count = chance.between(1, 3);
    const [more, held] = oneOf(chance, [[1, 0], [-1, 0], [0, 1], [0, 0], [0, 0]] as const);
    const events = Array.from({ length: count }, (_, i) => {
      const isLast = i === count - 1;
      const delta = isLast && more === held ? -available - count : 1;
      const after = {
        available: available + i + delta + (isLast ? more : 0),
        reserved: reserved + (isLast ? held : 0),
      };
      return event(shelf.seq + 1 + i, [{ sku, delta, reservedDelta: 0, ...after }], {
        ...{ kind: "adjust", id: "wrong", userId: "", atMs: shelf.atMs },
        data: isLast && chance.isHit(0.5) ? { policy: {} } : {},
      });
    });
    const entries = [entry(this.#epoch(shard), ...events)];
    return (_, one) => one.apply(entries);
  }

  /** Of an age that the lines of an event have, or nearly. */
  #forget(shard: number): Step {
    const { chance } = this;
    const shelf = this.#shelf(shard);
    const after = { seq: chance.isHit(0.5) ? 0 : chance.between(0, shelf.seq), line: chance.between(-1, 0) };
    const ageMs = Math.max(dayMs / 4, shelf.atMs - oneOf(chance, shelf.timesMs) + chance.between(-1, 1));
    const limit = chance.between(1, 5);
    return (_, ledger) => ledger.forgetLines(ageMs, after, limit);
  }

  #jump(shard: number): Step {
    const { chance } = this;
    const shelf = this.#shelf(shard);
    const events = Array.from({ length: chance.between(0, 3) }, () => shelf.next(this.#baskets.names));
    shelf.seq += chance.between(1, 3);
    // Of prepared lines under one number the order is not said.
    const isShared = chance.isHit(0.3) && events.every(({ kind }) => kind !== "prepare");
    const recalled = events.map((event) => isShared ? { ...event, seq: events.at(-1)?.seq ?? 0 } : event);
    const epoch = this.#epochs[shard] = this.#epoch(shard) + 1;
    const { seq } = shelf;
    this.#last[shard] = [];
    return async (_, ledger) => {
      const recoveryId = (await ledger.recovery())?.id;
      const jump = { to: { epoch, seq }, ...by, recalled };
      await ledger.jump(recoveryId === undefined ? jump : { ...jump, recoveryId });
    };
  }

  #correct(shard: number): Step {
    const { chance } = this;
    const shelf = this.#shelf(shard);
    const corrections = ["SKU-1", "SKU-2"].slice(0, chance.between(1, 2)).flatMap((sku) => {
      const event = shelf.write("adjust", "", [[sku, chance.between(0, 2), chance.between(0, 1)]]);
      if (event) shelf.seq--;
      return event?.lines ?? [];
    });
    return ({ ledger }) =>
      ledger.correct(shard, () => Promise.resolve(corrections), { ...by, reference: "r" });
  }

  #close(): Step {
    const place = this.chance.between(0, 3);
    const units = oneOf(this.chance, ["keep", "give back"] as const);
    return async ({ ledger, database }) => {
      const open = await database.query<{ id: number }>(
        `select id from dead_letters where closed_at is null order by shard, seq, event::text, sqlstate`,
      );
      const { id } = open[place] ?? { id: -1 };
      return await ledger.closeDeadLetter(Number(id), { ...by, reference: "" }, units);
    };
  }

  #note(shard: number): Step {
    const { chance } = this;
    const { seq } = this.#shelf(shard);
    const [head, seen, applied] = [0, 1, 2].map(() => seq + chance.between(-3, 6)) as [
      number,
      number,
      number,
    ];
    const epoch = this.#epoch(shard) + chance.between(-1, 2);
    const isIssued = chance.isHit(0.5);
    const loss = { fromSeq: seq, toSeq: seq + 2, source: oneOf(chance, ["store", "ledger"] as const), ...by };
    return async ({ ledger }, one) => {
      await one.recordHead(head);
      await one.recordSeen({ epoch, seq: seen }, applied);
      await ledger.acceptLoss(shard, loss);
      const cursor = await one.cursor();
      return isIssued && [
        await one.issueEpoch(cursor.issuedEpoch - 1, epoch),
        await one.issueEpoch(cursor.issuedEpoch, 0),
      ];
    };
  }

  /** Reads of a shard, with bounds of pages and times that meet its rows. */
  reads(shard: number): Record<string, Step> {
    const { chance } = this;
    const shelf = this.#shelf(shard);
    const seq = chance.between(0, shelf.seq);
    const to = chance.between(seq, shelf.seq);
    const limit = chance.between(1, 4);
    const after = { seq, line: chance.between(-1, 1) };
    const sku = oneOf(chance, ["", "SKU-1", "SKU-2"]);
    const sinceMs = oneOf(chance, shelf.timesMs) + oneOf(chance, [0, 0, 1]);
    const orderId = oneOf(chance, [...orderIds, ...basketIds]);
    const returnId = oneOf(chance, returnIds);
    const adjustmentId = oneOf(chance, adjustmentIds);
    const [below, adjusted] = [chance.between(1, 60), oneOf(chance, ["SKU-1", "SKU-2"])];
    const { asked } = this.#baskets;
    return {
      cursor: (_, one) => one.cursor(),
      stock: (_, one) => one.stock(sku, limit),
      counts: async (
        _,
        one,
      ) => [await one.countSkus(), await one.nthSku(sku, limit), await one.countDeadLetters()],
      low: (_, one) => one.lowStock(below, limit),
      "stock at": async (_, one) => bySku(await one.stockAt(["SKU-1", "SKU-3", "SKU-4"], seq)),
      sums: async (_, one) =>
        bySku(
          await one.sumMovements({
            afterSeq: seq,
            toSeq: to,
            afterSku: sku,
            toSku: limit > 2 ? "" : "SKU-2",
          }),
        ),
      lines: async (_, one) => [
        await one.lines(sinceMs, { seq: 0, line: -1 }, limit),
        await one.lines(sinceMs, after, limit),
      ],
      "set aside": (_, one) => one.heldAside(),
      quotas: async (_, one) => {
        const page = await one.quotas({ sku, ...after }, limit);
        const rows = page.rows.map((row) => JSON.stringify(row)).sort();
        return [rows, rows.length > 0 && page.next];
      },
      compensations: (_, one) => one.compensations({ seq: seq > 9 ? seq : 0, sku }, limit),
      prepared: (_, one) => one.baskets.prepared(limit),
      "at home": async (_, one) => (await one.baskets.atHome(asked)).sort((a, b) => a.name < b.name ? -1 : 1),
      openings: (_, one) => one.openings(sku, ""),
      recovery: (_, one) => one.recovery().then((found) => found && { ...found, id: 0 }),
      order: ({ ledger }) => ledger.findOrder(orderId),
      returned: ({ ledger }) => ledger.findReturn(orderId, returnId),
      adjusted: ({ ledger }) => ledger.findAdjustment(shard, adjustmentId, adjusted),
      progress: ({ ledger }) => ledger.progress(),
    };
  }
}

function bySku<T extends { sku: string }>(rows: readonly T[]): T[] {
  return rows.toSorted((a, b) => a.sku < b.sku ? -1 : 1);
}
