/**
 * Reconstructs events from the remembered lines of a whole store, for numbers that neither ledger nor log has.
 *
 * A store remembers each line of the idempotency window, the open reservations and the rules. They are applied as sales,
 * returns and adjustments, so that a retry stays a replay after a rebuild, too. A correction before them covers the
 * rest, which is older, so the stock after each event equals the store's response.
 *
 * @module
 */
import { isSale } from "../domain/outcome.ts";
import type { ShardControl, ShardView } from "../decide/shard_control.ts";
import type { ShardReader } from "../decide/shard_reader.ts";
import type { Correction } from "../ledger/corrections.ts";
import type { LineRow, StockRow } from "../domain/rows.ts";
import type { Difference, ShardLedger } from "../ledger/ledger.ts";
import { canonical } from "../ledger/proof_walk.ts";
import type { EventData, EventLine, InventoryEvent } from "../domain/event.ts";
import { ended, extended, heldInLedger, key, type NamedLine, noneHeld } from "./open_holds.ts";
import type { World } from "../runtime/world.ts";

export interface RecallParts {
  readonly control: ShardControl;
  /** Reads the remembered lines; left out for a store that ends with its process. */
  readonly reader?: ShardReader;
  readonly ledger: ShardLedger;
  /** Time of events whose time the store does not keep. */
  readonly world: World;
}

/** The lost numbers, and who accepted the loss. */
export interface LostNumbers {
  /** Last number applied. */
  readonly fromSeq: number;
  /** Last number lost. */
  readonly toSeq: number;
  readonly actor: string;
  readonly reason: string;
}

/** Changes that bring the ledger to the store's state. */
export interface Recalled {
  /** SKUs that the store lacks: with any of them, nothing can be applied. */
  readonly missing: readonly Difference[];
  /** Applied after `fromSeq`, before the events. */
  readonly corrections: readonly Correction[];
  /** By number, within the lost ones. */
  readonly events: readonly InventoryEvent[];
}

/** An event without the stock after it. */
type Draft = Omit<InventoryEvent, "lines"> & { readonly lines: Omit<EventLine, "available" | "reserved">[] };

interface Sides {
  readonly store: StockRow;
  readonly ledger: StockRow | undefined;
}

const namesMax = 256;
const pageRows = 1000;
const endOf = { confirmed: "confirm", cancelled: "cancel", expired: "expire" } as const;

/** Reads the disarmed store and compares it with the ledger. Writes nothing. */
export async function recall(view: ShardView, lost: LostNumbers, parts: RecallParts): Promise<Recalled> {
  const { open, prepared } = parts.reader ? await heldInLedger(parts.ledger, parts.world) : noneHeld;
  const { lines, held, sold } = await rememberedSince(lost.fromSeq, prepared, parts);
  const drafts = new Drafts(lost, view.nowMs);
  for (const named of lines) drafts.add(named);
  for (const named of extended(held, open)) drafts.extend(named);
  const over = ended([...lines, ...held], open);
  for (const row of over) drafts.end(row);
  const decided = ended(held, prepared);
  for (const row of decided) drafts.decide(row, sold.has(key(row.id, row.sku, row.seq)));
  const touched = new Set([
    ...lines.map(({ line }) => line.sku),
    ...[...over, ...decided].map(({ sku }) => sku),
  ]);
  const { sides, missing } = await compareSides(view, touched, parts);
  for (const [sku, { store, ledger }] of sides) {
    if (rulesOf(store) !== rulesOf(ledger)) drafts.rule(sku, { policy: store.policy ?? {} });
  }
  return { missing, ...withStock(drafts.sorted(), sides) };
}

/**
 * Lines that a lost event accepted or settled, lines that were accepted before and are held, and those that are prepared in
 * the ledger and sold.
 */
async function rememberedSince(
  fromSeq: number,
  prepared: readonly LineRow[],
  { reader, ledger }: RecallParts,
): Promise<{ lines: NamedLine[]; held: NamedLine[]; sold: ReadonlySet<string> }> {
  const found = new Map<string, NamedLine>(); // a scan may return a name twice
  const held: NamedLine[] = [];
  const sold = new Set<string>();
  const open = new Set(prepared.map(({ id, sku, seq }) => key(id, sku, seq)));
  for (let cursor: string | null = reader ? "" : null; reader && cursor !== null;) {
    const page: Awaited<ReturnType<ShardReader["names"]>> = await reader.names(
      ledger.shard,
      "orders",
      cursor,
    );
    for (let i = 0; i < page.names.length; i += namesMax) {
      const names = page.names.slice(i, i + namesMax);
      const { values } = await reader.read(ledger.shard, "orders", names);
      names.forEach((name, at) => {
        for (const line of values[at] ?? []) {
          const isLost = line.seq > fromSeq || line.settledSeq > fromSeq;
          const id = key(name, line.sku, line.seq);
          if (isLost) found.set(id, { name, line });
          else if (line.state === "held") held.push({ name, line });
          else if (open.has(id)) sold.add(id);
        }
      });
      await ledger.beat();
    }
    cursor = page.next;
  }
  return { lines: [...found.values()], held, sold };
}

/** Collects events, one per number; events without a number of their own get the last. */
class Drafts {
  readonly #lost: LostNumbers;
  readonly #nowMs: number;
  readonly #byNumber = new Map<string, Draft>();

  constructor(lost: LostNumbers, nowMs: number) {
    this.#lost = lost;
    this.#nowMs = nowMs;
  }

  /** Adds the events that accepted and settled a line. */
  add({ name, line }: NamedLine): void {
    const { fromSeq } = this.#lost;
    const { sku, kind, amount, seq, atMs, userId, state, settledSeq, settledUnits, expiresAtMs } = line;
    const [id, returnId] = idsOf(name);
    if (seq > fromSeq) {
      const data = kind === "reserve" ? { hold: line.holdMs, expires: expiresAtMs } : {};
      const actor = line.actor || this.#lost.actor; // a line stays bound to the token that sold it
      const draft = { seq, kind, id, userId, actor, reference: returnId || line.attempt, data, atMs };
      this.#line(`${seq}`, draft, {
        sku,
        delta: isSale(line) ? -amount : amount,
        reservedDelta: kind === "reserve" || kind === "prepare" ? amount : 0,
      });
      // The number of a commit is not remembered.
      if (kind === "prepare" && state === "accepted") {
        this.#line(`commit ${seq}`, this.#last("commit", id, userId, {}), {
          sku,
          delta: 0,
          reservedDelta: -amount,
        });
      }
    }
    if (settledSeq > fromSeq && state !== "accepted" && state !== "held") {
      const data = state === "expired" ? { expires: expiresAtMs } : {};
      const draft = { ...this.#last(endOf[state], id, userId, data), seq: settledSeq };
      this.#line(`${settledSeq}`, draft, { sku, delta: amount - settledUnits, reservedDelta: -amount });
    }
  }

  /** Adds the extension of a reservation that was accepted before. */
  extend({ name, line: { sku, userId, expiresAtMs: expires } }: NamedLine): void {
    const [id] = idsOf(name);
    this.#line(`extend ${id}`, this.#last("extend", id, userId, { expires }), still(sku));
  }

  /** Adds the end of a reservation that the store has forgotten. */
  end({ id, sku, userId, amount, expiresAtMs: expires }: LineRow): void {
    const draft = this.#last("expire", id, userId, { expires });
    this.#line(`end ${id}`, draft, { sku, delta: amount, reservedDelta: -amount });
  }

  /**
   * Adds the decision on a prepared line, whose number is not remembered. A sold line is remembered for the window, an
   * aborted one is forgotten.
   */
  decide({ id, sku, userId, amount }: LineRow, isSold: boolean): void {
    const kind = isSold ? "commit" : "abort";
    // The order may have been prepared again after an abort.
    const seq = isSold ? this.#lost.toSeq : this.#lost.fromSeq + 1;
    this.#line(`${kind} ${id}`, { ...this.#last(kind, id, userId, {}), seq }, {
      sku,
      delta: isSold ? 0 : amount,
      reservedDelta: -amount,
    });
  }

  /** Adds changed rules of a SKU. */
  rule(sku: string, data: EventData): void {
    this.#line(`rules ${sku}`, this.#last("rules", "", "", data), still(sku));
  }

  sorted(): Draft[] {
    return [...this.#byNumber.values()].sort((a, b) => a.seq - b.seq);
  }

  #last(kind: string, id: string, userId: string, data: EventData) {
    const { toSeq, actor } = this.#lost;
    return { seq: toSeq, kind, id, userId, actor, reference: "", data, atMs: this.#nowMs };
  }

  #line(
    key: string,
    draft: Omit<Draft, "lines" | "reason" | "traceparent">,
    line: Draft["lines"][number],
  ): void {
    const { reason } = this.#lost;
    const known = this.#byNumber.get(key);
    if (known) known.lines.push(line);
    else this.#byNumber.set(key, { ...draft, reason, traceparent: "", lines: [line] });
  }
}

function still(sku: string): Draft["lines"][number] {
  return { sku, delta: 0, reservedDelta: 0 };
}

/** Order or adjustment id, and return id: see `remembered_line.ts`. */
function idsOf(name: string): [string, string] {
  const [id = "", returnId = ""] = name.replace(/^\p{Cc}/u, "").split("\u001f");
  return [id, returnId];
}

/** Stock and rules in store and ledger, of the SKUs that differ or are `touched`. */
async function compareSides(
  view: ShardView,
  touched: ReadonlySet<string>,
  { control, ledger }: RecallParts,
): Promise<{ sides: Map<string, Sides>; missing: Difference[] }> {
  const ledgerStock = new Map<string, StockRow>();
  for (let after: string | undefined = ""; after !== undefined;) {
    const rows: StockRow[] = await ledger.stock(after, pageRows);
    for (const row of rows) ledgerStock.set(row.sku, row);
    await ledger.beat();
    after = rows.length === pageRows ? rows.at(-1)?.sku : undefined;
  }
  const sides = new Map<string, Sides>();
  const seen = new Set<string>(); // a scan may return a SKU twice
  for (let cursor: string | null = view.empty ? null : "0"; cursor !== null;) {
    const page: Awaited<ReturnType<ShardControl["stock"]>> = await control.stock(ledger.shard, cursor);
    for (const store of page.rows) {
      if (seen.has(store.sku)) continue;
      seen.add(store.sku);
      const both = { store, ledger: ledgerStock.get(store.sku) };
      if (touched.has(store.sku) || differ(both)) sides.set(store.sku, both);
    }
    cursor = page.next;
    await ledger.beat();
  }
  const missing = [...ledgerStock.values()].filter(({ sku }) => !seen.has(sku)).map((row) => {
    const { sku, available, reserved } = row;
    return { sku, ledger: { available, reserved }, store: undefined };
  });
  return { sides, missing };
}

function differ({ store, ledger }: Sides): boolean {
  return store.available !== ledger?.available || store.reserved !== ledger.reserved ||
    rulesOf(store) !== rulesOf(ledger);
}

function rulesOf(row: StockRow | undefined): string {
  return canonical(row?.policy ? JSON.stringify(row.policy) : null);
}

/** Corrections that lead from the ledger's stock to the stock before the events, and the events with the stock after each. */
function withStock(
  drafts: readonly Draft[],
  sides: ReadonlyMap<string, Sides>,
): Pick<Recalled, "corrections" | "events"> {
  const now = new Map<string, { available: number; reserved: number }>();
  for (const [sku, { store: { available, reserved } }] of sides) now.set(sku, { available, reserved });
  for (const { sku, delta, reservedDelta } of drafts.flatMap(({ lines }) => lines)) {
    const stock = now.get(sku);
    if (!stock) continue;
    stock.available -= delta;
    stock.reserved -= reservedDelta;
  }
  const corrections = [...sides].flatMap(([sku, { ledger }]): Correction[] => {
    const { available, reserved } = now.get(sku) ?? { available: 0, reserved: 0 };
    const delta = available - (ledger?.available ?? 0);
    const reservedDelta = reserved - (ledger?.reserved ?? 0);
    const isNone = delta === 0 && reservedDelta === 0 && ledger !== undefined;
    return isNone ? [] : [{ sku, delta, reservedDelta, available, reserved }];
  });
  const events = drafts.map(({ lines, ...draft }) => ({
    ...draft,
    lines: lines.flatMap((line): EventLine[] => {
      const stock = now.get(line.sku);
      if (!stock) return []; // the store has no such SKU, so its line cannot be applied
      stock.available += line.delta;
      stock.reserved += line.reservedDelta;
      return [{ ...line, ...stock }];
    }),
  }));
  return { corrections, events: events.filter(({ lines }) => lines.length > 0) };
}
