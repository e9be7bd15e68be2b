/**
 * Random histories that are correct by construction: every operation takes effect at one moment between its call and
 * its return. For tests of the checker.
 *
 * @module
 */

type Members = Record<string, unknown>;

interface Item {
  readonly call: "deduct" | "reserve" | "cancel" | "confirm" | "adjust" | "read";
  readonly id: string;
  readonly sku: string;
  readonly units: number;
}

const SKUS = ["a", "b", "c"];
const CLIENTS = 8;
/** One of so many answers is lost; half of those operations take no effect. */
const LOST_ONE_IN = 8;

/** A linear congruential generator: integers from 0, less than `count`. */
export function drawer(seed: number): (count: number) => number {
  let state = seed >>> 0;
  return (count) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor(state / 2 ** 32 * count);
  };
}

/** The lines of a correct history of so many operations, in two shards. */
export function randomHistory(seed: number, count: number): Members[] {
  const draw = drawer(seed);
  const moments = Array.from({ length: count }, (_, i) => {
    const called = Math.floor(i / CLIENTS) * 10 + draw(8);
    const effect = called + draw(12);
    return {
      called,
      effect,
      returned: effect + draw(12),
      item: anItem(draw, i),
      isLost: draw(LOST_ONE_IN) === 0,
    };
  });
  const store = new ModelStore();
  const operations = moments.toSorted((a, b) => a.effect - b.effect).map(
    ({ called, returned, item, isLost }): Members => {
      const { call, id, sku, units } = item;
      const isTaken = !isLost || draw(2) === 0;
      const answer = isTaken ? store.apply(item) : undefined;
      const lines = call === "cancel" || call === "confirm" ? [] : [{ sku, units }];
      const user_id = call === "deduct" || call === "reserve" ? `user-${id}` : "";
      const asked = { type: "operation", call, id, user_id, lines, called_ms: called };
      return isLost ? { ...asked, answer: { kind: "unknown" } } : { ...asked, returned_ms: returned, answer };
    },
  );
  return [
    { type: "history", version: 1, complete: true, refusal_age_max_ms: 0 },
    ...operations,
    ...store.movements.toSorted((a, b) => Number(a.shard) - Number(b.shard)),
    ...store.heads.map((seq, shard) => ({ type: "cursor", shard, seq })),
  ];
}

function anItem(draw: (count: number) => number, i: number): Item {
  const sku = SKUS[draw(SKUS.length)] ?? "";
  const call =
    (["deduct", "deduct", "deduct", "reserve", "confirm", "cancel", "adjust", "read"] as const)[draw(8)] ??
      "read";
  // Ids are few enough that orders come again, and reservations are met.
  const id = call === "adjust" ? `stock-${i}` : `${sku}-${draw(Math.ceil((i + 1) / 2))}`;
  return { call, id, sku, units: call === "adjust" ? 1 + draw(6) : call === "read" ? 0 : 1 + id.length % 3 };
}

interface Sale {
  readonly call: string;
  readonly answer: Members;
  settled?: Members & { readonly by: string };
}

/** The product's decisions, one after the other. */
class ModelStore {
  readonly movements: Members[] = [];
  readonly heads: number[] = [0, 0];
  readonly #units = new Map<string, { available: number; reserved: number }>();
  readonly #sales = new Map<string, Sale>();

  apply({ call, id, sku, units }: Item): Members {
    const stock = this.#units.get(sku);
    const sale = this.#sales.get(id);
    const refused = (code: string, rest: Members = {}) => ({ kind: "refused", code, ...rest });
    switch (call) {
      case "read":
        if (!stock) return refused("unknown_sku");
        return { kind: "stock", seq: this.heads[shardOf(sku)], available: stock.available };
      case "adjust":
        return this.#move(stock ? "adjust" : "create", id, sku, units, 0);
      case "deduct":
      case "reserve": {
        if (sale) return sale.call === call ? { ...sale.answer, replayed: true } : refused("order_conflict");
        if (!stock) return refused("unknown_sku");
        if (stock.available < units) {
          return refused("insufficient_stock", { sku, available: stock.available });
        }
        const answer = this.#move(call, id, sku, -units, call === "reserve" ? units : 0);
        this.#sales.set(id, { call, answer });
        return answer;
      }
      case "confirm":
      case "cancel": {
        if (sale?.call !== "reserve") return refused("unknown_reservation");
        if (sale.settled) {
          const { by, ...answer } = sale.settled;
          return by === call ? { ...answer, replayed: true } : refused(`already_${by}ed`);
        }
        const held = 1 + id.length % 3;
        const { kind, seq } = this.#move(call, id, sku, call === "cancel" ? held : 0, -held);
        const answer = { kind, seq, available: [], replayed: false };
        sale.settled = { ...answer, by: call };
        return answer;
      }
    }
  }

  #move(kind: string, id: string, sku: string, delta: number, reserved_delta: number): Members {
    const shard = shardOf(sku);
    const seq = this.heads[shard] = (this.heads[shard] ?? 0) + 1;
    const { available: before, reserved: held } = this.#units.get(sku) ?? { available: 0, reserved: 0 };
    const [available, reserved] = [before + delta, held + reserved_delta];
    this.#units.set(sku, { available, reserved });
    const user_id = kind === "deduct" || kind === "reserve" ? `user-${id}` : "";
    const change = { sku, delta, reserved_delta, available, reserved };
    this.movements.push({ type: "movement", shard, seq, kind, id, user_id, ...change });
    return { kind: "accepted", seq, available: [available], replayed: false };
  }
}

function shardOf(sku: string): number {
  return sku === "c" ? 1 : 0;
}
