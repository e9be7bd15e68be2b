/**
 * What is done to a ledger and read of it, drawn by a seed.
 */
import assert from "node:assert/strict";
import { attemptName } from "../../src/domain/basket.ts";
import type { Attempt } from "../../src/decide/basket_decisions.ts";
import type { InventoryEvent } from "../../src/domain/event.ts";
import type { Queries } from "../../src/ledger/database.ts";
import type { Ledger, ShardLedger } from "../../src/ledger/ledger.ts";
import { Chance } from "../../tools/simulate/scheduler.ts";
import { entry } from "./ledger_fixture.ts";
import { adjustmentIds, oneOf, orderIds, RandomShelf, returnIds } from "./random_lives.ts";

export const dayMs = 86_400_000;
export const shards = [0, 1, 2] as const;
const by = { actor: "cli:alice", reason: "a test" };

/** A ledger with its leases. */
export interface Side {
  readonly ledger: Ledger;
  readonly database: Queries;
  readonly shards: ShardLedger[];
}

/** What is done or read, with the shard that it is about. */
export type Step = (side: Side, shard: ShardLedger) => Promise<unknown>;

/** Draws what is done and read. */
export class Draw {
  readonly chance: Chance;
  readonly shelves: readonly RandomShelf[];
  readonly attempts: Attempt[] = [];
  readonly #last: InventoryEvent[][] = shards.map(() => []);
  readonly #epochs = shards.map(() => 1);

  constructor(seed: number) {
    this.chance = new Chance(seed, 0);
    this.shelves = shards.map((shard) => new RandomShelf(this.chance, shard));
  }

  /** Names of attempts, old ones and some that never began. */
  get names(): string[] {
    return ["0/never", ...this.attempts.slice(-6).map(({ home, attempt }) => attemptName(home, attempt))];
  }

  step(shard: number): Step {
    const { chance } = this;
    const kinds: (() => Step)[] = [
      ...Array.from({ length: 9 }, () => () => this.#apply(shard)),
      ...Array.from({ length: 4 }, () => () => this.#basket(shard)),
      () => this.#forget(),
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
    const shelf = this.shelves[shard] ?? assert.fail();
    const fresh = Array.from({ length: chance.between(1, 5) }, () => shelf.next(this.names));
    const known = chance.isHit(0.2) ? (this.#last[shard] ?? []).slice(-chance.between(1, 4)) : [];
    const all = [...known, ...fresh];
    this.#last[shard] = fresh;
    if (chance.isHit(0.1)) this.#epochs[shard] = (this.#epochs[shard] ?? 1) + 1;
    const epoch = this.#epochs[shard] ?? 1;
    const middle = chance.between(0, all.length);
    const entries = [all.slice(0, middle), all.slice(middle)].filter((part) => part.length > 0)
      .map((part) => entry(epoch, ...part));
    const [other] = fresh;
    return async (_, ledger) => [
      await ledger.apply(entries),
      await ledger.divergent(other ? [entry(epoch, { ...other, userId: "another" })] : []),
    ];
  }

  #basket(shard: number): Step {
    const { chance } = this;
    const orderId = oneOf(chance, orderIds);
    const known = this.attempts.findLast((attempt) => attempt.orderId === orderId);
    const shelf = this.shelves[shard] ?? assert.fail();
    if (!known || chance.isHit(0.3)) {
      const attempt = `00000000-0000-4000-8000-${String(this.attempts.length).padStart(12, "0")}`;
      const lines = [{ sku: "SKU-1", amount: chance.between(1, 2) }];
      const made = {
        orderId,
        attempt,
        home: chance.between(0, 1),
        userId: oneOf(chance, ["user-1", "user-2"]),
        lines,
      };
      this.attempts.push(made);
      const timeoutMs = oneOf(chance, [-1000, 600_000, 600_000]);
      return async ({ ledger }) => {
        const begun = await ledger.baskets.begin(made, timeoutMs);
        return begun.kind === "undecided" ? begun.kind : begun;
      };
    }
    if (chance.isHit(0.5)) {
      const lines = chance.between(1, 2);
      const name = oneOf(chance, [attemptName(known.home, known.attempt), this.names[0] ?? ""]);
      const changes = ["SKU-1", "SKU-2"].slice(0, lines).map((sku) => [sku, -1, 1] as const);
      const event = shelf.write("prepare", orderId, changes, { reference: name });
      if (!event) return () => Promise.resolve();
      const epoch = this.#epochs[shard] ?? 1;
      const parts = [{
        shard,
        seq: event.seq,
        lines: oneOf(chance, [lines, lines, lines, 2]),
        newStock: [1, 2],
      }];
      const isCommitted = chance.isHit(0.6);
      return async ({ ledger }, one) => [
        await one.apply([entry(epoch, event)]),
        isCommitted && await ledger.baskets.commit(known, parts),
        await ledger.baskets.find(orderId).then((found) => found?.kind),
      ];
    }
    return oneOf<Step>(chance, [
      ({ ledger }) => ledger.baskets.abort(known),
      (_, one) => one.baskets.end(),
      ({ database }) =>
        database.script(
          "update baskets set decided_at = '2020-01-01 00:00:00.000' where decision = 'commit'",
        ),
    ]);
  }

  #forget(): Step {
    const { chance } = this;
    const after = { seq: chance.between(0, 3), line: chance.between(-1, 0) };
    const [ageMs, limit] = [oneOf(chance, [dayMs / 2, 2 * dayMs]), chance.between(1, 5)];
    return (_, ledger) => ledger.forgetLines(ageMs, after, limit);
  }

  #jump(shard: number): Step {
    const { chance } = this;
    const shelf = this.shelves[shard] ?? assert.fail();
    const events = Array.from({ length: chance.between(0, 3) }, () => shelf.next(this.names));
    shelf.seq += chance.between(1, 3);
    // Of prepared lines under one number the order is not said.
    const isShared = chance.isHit(0.3) && events.every(({ kind }) => kind !== "prepare");
    const recalled = events.map((event) => isShared ? { ...event, seq: events.at(-1)?.seq ?? 0 } : event);
    const epoch = this.#epochs[shard] = (this.#epochs[shard] ?? 1) + 1;
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
    const shelf = this.shelves[shard] ?? assert.fail();
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
    const { seq } = this.shelves[shard] ?? assert.fail();
    const [head, seen, applied] = [0, 1, 2].map(() => seq + chance.between(-3, 6)) as [
      number,
      number,
      number,
    ];
    const epoch = (this.#epochs[shard] ?? 1) + chance.between(-1, 2);
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
    const shelf = this.shelves[shard] ?? assert.fail();
    const seq = chance.between(0, shelf.seq);
    const to = chance.between(seq, shelf.seq);
    const limit = chance.between(1, 4);
    const after = { seq, line: chance.between(-1, 1) };
    const sku = oneOf(chance, ["", "SKU-1", "SKU-2"]);
    const sinceMs = shelf.atMs - oneOf(chance, [0, 1, 8, 1000, dayMs / 2, 3 * dayMs]);
    const [orderId, returnId] = [oneOf(chance, orderIds), oneOf(chance, returnIds)];
    const adjustmentId = oneOf(chance, adjustmentIds);
    const [below, adjusted] = [chance.between(1, 60), oneOf(chance, ["SKU-1", "SKU-2"])];
    const asked = this.attempts.slice(-6).map(({ orderId, home, attempt }) => {
      return { home, orderId, name: attemptName(home, attempt) };
    });
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
