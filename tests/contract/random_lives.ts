/**
 * Events that a store may write, drawn by a seed: few ids, few SKUs, few users, so that lines meet again, and also events
 * that fit no line.
 */
import type { EventData, EventLine, InventoryEvent, StoredPolicy } from "../../src/domain/event.ts";
import { compensationId } from "../../src/ledger/compensation_id.ts";
import type { Chance } from "../../tools/simulate/scheduler.ts";
import { atMs, event, holdMs } from "./ledger_fixture.ts";

const skus = ["SKU-1", "SKU-2", "SKU-3"];
/** Of each SKU at first: the last one is sold out at times. */
const stocked = [60, 30, 3];
export const orderIds = ["order-1", "order-2", "order-3", "order-4", "order-5", "order-6"];
export const returnIds = ["return-1", "return-2"];
export const adjustmentIds = ["adjustment-1", "adjustment-2"];
const userIds = ["user-1", "user-2"];
const actors = ["till", "shop", "cli:alice", "cli", ""];
const stepsMs = [0, 1, 1, 7, 1000, holdMs, 43_200_000];

/** Takes one of them. */
export function oneOf<T>(chance: Chance, all: readonly T[]): T {
  return all[chance.between(0, all.length - 1)] as T;
}

/** What the events so far have made of an order, as far as it decides what fits next. */
interface Order {
  readonly kind: "sold" | "held" | "prepared";
  readonly units: readonly (readonly [sku: string, units: number])[];
}

type Changes = readonly (readonly [sku: string, delta: number, reservedDelta: number])[];

/** Writes the log of one shard. */
export class RandomShelf {
  readonly #chance: Chance;
  readonly #shard: number;
  readonly #stock = new Map<string, { available: number; reserved: number }>();
  readonly #orders = new Map<string, Order>();
  /** Orders that something follows on at once, most often in the same batch. */
  readonly #due: string[] = [];
  /** Sales so far, to be sold once more. */
  readonly #sales: InventoryEvent[] = [];
  /** Sales of what was sold before. */
  readonly #again: InventoryEvent[] = [];
  seq = 0;
  atMs = atMs;
  /** Of the events so far. */
  readonly timesMs: number[] = [atMs];

  constructor(chance: Chance, shard: number) {
    this.#chance = chance;
    this.#shard = shard;
  }

  /** The stock of a SKU so far. */
  stockOf(sku: string): { readonly available: number; readonly reserved: number } {
    return this.#stock.get(sku) ?? { available: 0, reserved: 0 };
  }

  /** The next event. `attempts`: names of attempts, for lines that are prepared. */
  next(attempts: readonly string[]): InventoryEvent {
    const chance = this.#chance;
    this.atMs += oneOf(chance, stepsMs);
    if (this.seq < skus.length) return this.#stocked(this.seq);
    for (;;) {
      const due = this.#due.shift();
      const followed = due === undefined ? undefined : this.#follow(due);
      if (followed) return followed;
      const draws: readonly (() => InventoryEvent | undefined)[] = [
        ...Array.from({ length: 7 }, () => () => this.#follow(oneOf(chance, orderIds))),
        ...Array.from({ length: 6 }, () => () => this.#sell(attempts)),
        ...Array.from({ length: 2 }, () => () => this.#sellAgain()),
        ...Array.from({ length: 2 }, () => () => this.#giveBack()),
        () => this.#adjust(),
        () => this.#rule(),
        () => this.#rule(),
      ];
      const made = oneOf(chance, draws)();
      if (made) return made;
    }
  }

  /** An event with changes; undefined when the stock has too few units for it. */
  write(
    kind: string,
    id: string,
    changes: Changes,
    fields: Partial<InventoryEvent> = {},
  ): InventoryEvent | undefined {
    const lines: EventLine[] = [];
    for (const [sku, delta, reservedDelta] of changes) {
      const { available, reserved } = this.stockOf(sku);
      const after = { available: available + delta, reserved: reserved + reservedDelta };
      if (after.available < 0 || after.reserved < 0) return undefined;
      lines.push({ sku, delta, reservedDelta, ...after });
    }
    for (const { sku, available, reserved } of lines) this.#stock.set(sku, { available, reserved });
    const origin = { actor: oneOf(this.#chance, actors), userId: oneOf(this.#chance, userIds) };
    // Clocks go backwards at times.
    const atMs = this.atMs - (this.#chance.isHit(0.1) ? oneOf(this.#chance, [1, 5000, 43_200_000]) : 0);
    this.timesMs.push(atMs);
    return event(++this.seq, lines, { kind, id, atMs, ...origin, ...fields });
  }

  #stocked(place: number): InventoryEvent {
    const sku = skus[place] ?? "";
    return this.write("create", `stock-${sku}`, [[sku, stocked[place] ?? 0, 0]], {
      userId: "",
    }) as InventoryEvent;
  }

  #rule(): InventoryEvent | undefined {
    const chance = this.#chance;
    const policy: StoredPolicy = oneOf<StoredPolicy>(chance, [
      {},
      { paused: true },
      { quota: 5, sale: this.seq + 1 },
      { quota: 5, sale: Math.max(1, this.seq - 4) },
      { quota: 2 },
    ]);
    const fields = { userId: "", data: { policy } };
    return this.write(oneOf(chance, ["rules", "pause", "resume"]), "", [[oneOf(chance, skus), 0, 0]], fields);
  }

  #adjust(): InventoryEvent | undefined {
    const chance = this.#chance;
    const changes = [[oneOf(chance, skus), oneOf(chance, [-1, 1, 2, 9]), 0]] as const;
    return this.write(oneOf(chance, ["adjust", "create", "set"]), oneOf(chance, adjustmentIds), changes, {
      userId: "",
    });
  }

  /** The same sale after the window, or nearly the same. */
  #sellAgain(): InventoryEvent | undefined {
    const chance = this.#chance;
    if (this.#sales.length === 0) return undefined;
    const { kind, id, userId, lines } = oneOf(chance, this.#sales.slice(-5));
    const isSame = chance.isHit(0.7);
    const changes = lines.map(({ sku, delta, reservedDelta }) => [sku, delta, reservedDelta] as const);
    const again = isSame
      ? this.write(kind, id, changes, { userId })
      : this.write(oneOf(chance, ["deduct", "order"]), id, chance.isHit(0.5) ? changes.slice(0, 1) : changes);
    if (again && kind !== "reserve") this.#again.push(again);
    return again;
  }

  /** The adjustment that returns what was sold again; at times of another SKU, kind, number or shard. */
  #giveBack(): InventoryEvent | undefined {
    const chance = this.#chance;
    if (this.#again.length === 0) return undefined;
    const { seq, lines } = oneOf(chance, this.#again.slice(-3));
    const kind = oneOf(chance, ["adjust", "adjust", "create", "set"]);
    const id = compensationId(chance.isHit(0.8) ? this.#shard : 0, chance.isHit(0.8) ? seq : seq - 1);
    const back = lines.filter(() => chance.isHit(0.7)).map(({ sku, delta }) => [sku, -delta, 0] as const);
    const other = [[oneOf(chance, skus), 1, 0]] as const;
    return this.write(kind, id, back.length > 0 && chance.isHit(0.8) ? back : other, { userId: "" });
  }

  #sell(attempts: readonly string[]): InventoryEvent | undefined {
    const chance = this.#chance;
    const kind = oneOf(chance, ["deduct", "order", "reserve", "reserve", "prepare", "prepare"]);
    const first = chance.between(0, skus.length - 1);
    const count = kind === "deduct" ? 1 : chance.between(1, skus.length - first);
    const units = skus.slice(first, first + count).map((sku) => [sku, chance.between(1, 2)] as const);
    const isHeld = kind === "reserve" || kind === "prepare";
    const id = chance.isHit(0.02) ? "nul-\0" : oneOf(chance, orderIds);
    const data: EventData = kind === "reserve" ? { hold: holdMs, expires: this.atMs + holdMs } : {};
    const sold = this.write(kind, id, units.map(([sku, n]) => [sku, -n, isHeld ? n : 0]), {
      data,
      reference: kind === "prepare" ? oneOf(chance, attempts) : "",
    });
    if (sold && kind !== "prepare") this.#sales.push(sold);
    if (sold && isHeld && chance.isHit(0.4)) this.#due.push(id);
    if (sold && !this.#orders.has(id)) {
      this.#orders.set(id, { kind: kind === "prepare" ? "prepared" : isHeld ? "held" : "sold", units });
    }
    return sold;
  }

  /** What fits an order, or at times what does not. */
  #follow(id: string): InventoryEvent | undefined {
    const chance = this.#chance;
    const { kind, units } = this.#orders.get(id) ?? { kind: "sold", units: [[oneOf(chance, skus), 1]] };
    const isOdd = chance.isHit(0.15);
    const of = isOdd ? oneOf(chance, ["sold", "held", "prepared"] as const) : kind;
    const lines = chance.isHit(0.2) ? units.slice(0, 1) : units;
    if (of === "prepared") return this.#decide(id, units);
    if (of === "held") return this.#settle(id, lines);
    return this.write("return", id, lines.map(([sku, n]) => [sku, chance.between(1, n), 0]), {
      reference: oneOf(chance, returnIds),
    });
  }

  #decide(id: string, units: Order["units"]): InventoryEvent | undefined {
    const chance = this.#chance;
    if (chance.isHit(0.5)) {
      const done = this.write("commit", id, units.map(([sku, n]) => [sku, 0, -n]));
      if (done) this.#orders.set(id, { kind: "sold", units });
      return done;
    }
    const ended = chance.isHit(0.2) ? units.slice(-1) : units;
    const done = this.write("abort", id, ended.map(([sku, n]) => [sku, n, -n]));
    if (done) this.#orders.delete(id);
    return done;
  }

  #settle(id: string, units: Order["units"]): InventoryEvent | undefined {
    const chance = this.#chance;
    const kind = oneOf(chance, ["extend", "extend", "confirm", "cancel", "expire"]);
    if (kind === "extend") {
      if (chance.isHit(0.5)) this.#due.push(id);
      const expires = this.atMs + oneOf(chance, [1, holdMs, 3 * holdMs]);
      return this.write(kind, id, units.map(([sku]) => [sku, 0, 0]), { data: { expires } });
    }
    const back = (n: number) => kind === "confirm" ? chance.between(0, n) : n;
    const done = this.write(kind, id, units.map(([sku, n]) => [sku, back(n), -n]));
    if (done) this.#orders.set(id, { kind: "sold", units });
    return done;
  }
}
