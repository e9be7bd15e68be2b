/**
 * Reservations and the identity of orders through the API, in memory and in Redis, with one shard and with three: what a
 * client sees must not depend on where the SKUs of its order lie.
 */
import assert from "node:assert/strict";
import { type AppUnderTest, type Backend, backends, startApp } from "./armed_app.ts";
import { forgedUser } from "./contents_suite.ts";
import { confirm, reserve } from "./order_commands.ts";
import { decideIn } from "./store_suite.ts";

const base = "http://127.0.0.1:8080/api/v1";

/** An answer: status and code in one text, as `200 accepted`, and the body. */
interface Seen {
  readonly said: string;
  readonly replayed: boolean;
  // deno-lint-ignore no-explicit-any -- JSON of the API, which other tests hold to its document
  readonly body: any;
}

/** The calls of a shop, on an API of its own with ten units of each SKU that it names. */
class Shop {
  constructor(readonly api: AppUnderTest) {}

  async #send(method: string, path: string, body?: unknown, headers = {}): Promise<Seen> {
    const contents = { "content-type": "application/json", ...headers };
    const init = body === undefined ? { method } : { method, headers: contents, body: JSON.stringify(body) };
    const response = await this.api.app.fetch(new Request(base + path, init));
    const json = await response.json();
    const said = `${response.status} ${json.code ?? "accepted"}`;
    return { said, replayed: response.headers.get("idempotency-replayed") === "true", body: json };
  }

  async stockUp(...names: string[]): Promise<string[]> {
    const skus = this.api.apart(...names);
    for (const sku of skus) assert.equal((await this.adjust(sku, `stock-${sku}`, 10)).said, "201 accepted");
    return skus;
  }

  adjust(sku: string, id: string, delta: number): Promise<Seen> {
    return this.#send("POST", `/inventory/${sku}/adjustments`, { adjustment_id: id, delta });
  }

  set(sku: string, id: string, available: number, expected: number | null): Promise<Seen> {
    return this.#send("PUT", `/inventory/${sku}`, { adjustment_id: id, available, expected });
  }

  deduct(orderId: string, sku: string, amount = 1, userId = "u", headers = {}): Promise<Seen> {
    const body = { order_id: orderId, user_id: userId, sku, amount };
    return this.#send("POST", "/inventory/deduct", body, headers);
  }

  reserve(orderId: string, amounts: Record<string, number>, ttl = 600): Promise<Seen> {
    const body = { order_id: orderId, user_id: "u", lines: linesOf(amounts), ttl_seconds: ttl };
    return this.#send("POST", "/reservations", body);
  }

  confirm(orderId: string, amounts?: Record<string, number>): Promise<Seen> {
    const body = amounts ? { lines: linesOf(amounts) } : {};
    return this.#send("POST", `/reservations/${orderId}/confirm`, body);
  }

  cancel(orderId: string): Promise<Seen> {
    return this.#send("POST", `/reservations/${orderId}/cancel`, {});
  }

  extend(orderId: string, ttl: number): Promise<Seen> {
    return this.#send("POST", `/reservations/${orderId}/extend`, { ttl_seconds: ttl });
  }

  returnUnits(orderId: string, returnId: string, amounts: Record<string, number>): Promise<Seen> {
    return this.#send("POST", `/orders/${orderId}/return`, { return_id: returnId, lines: linesOf(amounts) });
  }

  order(orderId: string): Promise<Seen> {
    return this.#send("GET", `/orders/${orderId}`);
  }

  /** Available and reserved units of SKUs. */
  async quantities(...skus: string[]): Promise<[number, number][]> {
    const all = await Promise.all(skus.map((sku) => this.#send("GET", `/inventory/${sku}`)));
    return all.map(({ body }) => [body.available, body.reserved]);
  }

  /** Holds in the shard of each SKU, past the API: as an earlier version did, or two calls at one moment. */
  async holdApart(orderId: string, amounts: Record<string, number>): Promise<void> {
    for (const [sku, amount] of Object.entries(amounts)) {
      const { body } = await this.#send("GET", `/inventory/${sku}`);
      const [outcome] = await decideIn(body.shard, this.api.store, reserve(orderId, { [sku]: amount }));
      assert.equal(outcome?.kind, "accepted");
    }
  }
}

function linesOf(amounts: Record<string, number>) {
  return Object.entries(amounts).map(([sku, amount]) => ({ sku, amount }));
}

/** A shard has one reservation an order id, so only several of them can hold parts of an order apart. */
const severalShards = backends.filter(({ shards }) => shards > 1);

const said = (all: readonly Seen[]) => all.map((one) => one.said);

function testEach(
  title: string,
  body: (shop: Shop) => Promise<void>,
  on: readonly Backend[] = backends,
): void {
  for (const backend of on) {
    Deno.test(`${backend.name}: ${title}`, async () => {
      await using api = await startApp({ USER_LIMIT_MS: "0" }, backend);
      await body(new Shop(api));
      assert.deepEqual(api.broken, []);
    });
  }
}

testEach("a confirmation that names a SKU which is not held does nothing", async (shop) => {
  const [a = "", b = ""] = await shop.stockUp("A", "B");
  await shop.reserve("o1", { [a]: 2 });
  const refused = [await shop.confirm("o1", { [b]: 1 }), await shop.confirm("o1", { [a]: 1, [b]: 1 })];
  assert.deepEqual(said(refused), Array(2).fill("409 confirm_exceeds_held"));
  assert.deepEqual([refused[0]?.body.sku, refused[1]?.body.sku], [b, b]);
  assert.deepEqual(await shop.quantities(a, b), [[8, 2], [10, 0]]);
  assert.equal((await shop.confirm("o1", { [a]: 2 })).said, "200 accepted");
  assert.equal((await shop.confirm("o1", { [a]: 2, [b]: 1 })).said, "409 already_confirmed");
  assert.deepEqual(await shop.quantities(a, b), [[8, 0], [10, 0]]);
});

testEach("what is held in several shards is confirmed whole or not at all", async (shop) => {
  const [a = "", b = ""] = await shop.stockUp("A", "B");
  await shop.holdApart("o1", { [a]: 2, [b]: 2 });
  const refused = await shop.confirm("o1", { [a]: 1, [b]: 5 });
  assert.deepEqual([refused.said, refused.body.sku], ["409 confirm_exceeds_held", b]);
  assert.deepEqual(await shop.quantities(a, b), [[8, 2], [8, 2]]);
  const part = await shop.confirm("o1", { [a]: 1 });
  assert.deepEqual(part.body.lines.map(({ sku, confirmed }: Record<string, unknown>) => [sku, confirmed]), [
    [a, 1],
    [b, 0],
  ]);
  assert.deepEqual(await shop.quantities(a, b), [[9, 0], [10, 0]]);
  const later = [
    await shop.confirm("o1", { [a]: 1 }),
    await shop.confirm("o1"),
    await shop.confirm("o1", { [a]: 1, [b]: 1 }),
    await shop.cancel("o1"),
    await shop.extend("o1", 900),
  ];
  assert.deepEqual(said(later), ["200 accepted", ...Array(4).fill("409 already_confirmed")]);
  assert.ok(later[0]?.replayed);
}, severalShards);

testEach(
  "a half-done confirmation is completed by the same one, and by no other",
  async (shop) => {
    const [a = "", b = ""] = await shop.stockUp("A", "B");
    await shop.holdApart("o1", { [a]: 2, [b]: 2 });
    assert.equal((await shop.order("o1")).body.lines.length, 2);
    await decideIn(0, shop.api.store, confirm("o1", { [a]: 1 })); // the first SKU of `apart` is in shard 0
    const others = [await shop.confirm("o1"), await shop.confirm("o1", { [b]: 1 }), await shop.cancel("o1")];
    assert.deepEqual(said(others), Array(3).fill("409 already_confirmed"));
    assert.deepEqual(await shop.quantities(a, b), [[9, 0], [8, 2]]);
    assert.equal((await shop.confirm("o1", { [a]: 1, [b]: 2 })).said, "200 accepted");
    assert.deepEqual(await shop.quantities(a, b), [[9, 0], [8, 0]]);
  },
  severalShards,
);

testEach("an order id has one reservation, wherever its SKUs are", async (shop) => {
  const [a = "", b = ""] = await shop.stockUp("A", "B");
  const first = await shop.reserve("r", { [a]: 1 });
  assert.equal(first.said, "201 accepted");
  const others = [
    await shop.reserve("r", { [b]: 1 }),
    await shop.reserve("r", { [a]: 2 }),
    await shop.reserve("r", { [a]: 1 }, 900),
    await shop.deduct("r", a),
  ];
  assert.deepEqual(said(others), Array(4).fill("422 order_conflict"));
  const again = await shop.reserve("r", { [a]: 1 });
  assert.deepEqual([again.said, again.replayed, again.body], ["201 accepted", true, first.body]);
  assert.equal((await shop.deduct("r", b)).said, "200 accepted");
  assert.deepEqual(await shop.quantities(a, b), [[9, 1], [9, 0]]);
});

testEach(
  "after its end a reservation is not made again, and a late retry takes nothing with it",
  async (shop) => {
    const [a = "", b = ""] = await shop.stockUp("A", "B");
    await shop.reserve("x", { [a]: 1 });
    await shop.cancel("x");
    await shop.reserve("c", { [a]: 2 });
    const confirmed = await shop.confirm("c", { [a]: 1 });
    const ends = [
      await shop.reserve("x", { [a]: 1 }),
      await shop.reserve("x", { [b]: 1 }),
      await shop.reserve("c", { [a]: 2 }),
      await shop.reserve("c", { [b]: 1 }),
    ];
    assert.deepEqual(said(ends), [
      ...["409 already_cancelled", "409 already_cancelled"],
      ...["409 already_confirmed", "409 already_confirmed"],
    ]);
    await shop.deduct("x", b);
    await shop.deduct("c", b);
    const late = [await shop.cancel("x"), await shop.confirm("c", { [a]: 1 })];
    assert.ok(late.every(({ replayed }) => replayed));
    assert.deepEqual(late[1]?.body, confirmed.body);
    assert.deepEqual(await shop.quantities(a, b), [[9, 0], [8, 0]]);
  },
);

testEach(
  "units that come back are sold and shown at once by the process that gave them back",
  async (shop) => {
    const [a = "", b = ""] = await shop.stockUp("A", "B");
    const first = { "order-attempt": "1" };
    const soldOut = async (sku: string, orderId: string) => {
      assert.equal((await shop.deduct(orderId, sku, 10, "v", first)).said, "409 insufficient_stock");
      await shop.quantities(sku);
    };
    await shop.reserve("x", { [a]: 10 });
    await soldOut(a, "1");
    await shop.cancel("x");
    assert.deepEqual(await shop.quantities(a), [[10, 0]]);
    assert.equal((await shop.deduct("2", a, 3, "v", first)).said, "200 accepted");
    await shop.reserve("c", { [b]: 10 });
    await soldOut(b, "3");
    await shop.confirm("c", { [b]: 1 });
    assert.deepEqual(await shop.quantities(b), [[9, 0]]);
    assert.equal((await shop.deduct("4", b, 9, "v", first)).said, "200 accepted");
    await soldOut(b, "5");
    await shop.returnUnits("4", "back", { [b]: 9 });
    assert.equal((await shop.deduct("6", b, 9, "v", first)).said, "200 accepted");
  },
);

testEach("an order with a forged digest is a conflict", async (shop) => {
  await shop.adjust("SKU_123", "stock", 2_000_000);
  const first = await shop.deduct("o", "SKU_123", 1, "alice");
  const forged = await shop.deduct("o", "SKU_123", 1_000_000, forgedUser);
  assert.deepEqual([first.said, forged.said], ["200 accepted", "422 order_conflict"]);
  const again = await shop.deduct("o", "SKU_123", 1, "alice");
  assert.deepEqual([again.replayed, again.body], [true, first.body]);
  assert.deepEqual(await shop.quantities("SKU_123"), [[1_999_999, 0]]);
});

testEach("the same id with other contents is a conflict, for every kind of change", async (shop) => {
  const [a = ""] = await shop.stockUp("A");
  const pairs: [same: () => Promise<Seen>, others: (() => Promise<Seen>)[]][] = [
    [() => shop.deduct("o", a, 2), [() => shop.deduct("o", a, 1), () => shop.deduct("o", a, 2, "w")]],
    [() => shop.returnUnits("o", "r", { [a]: 1 }), [() => shop.returnUnits("o", "r", { [a]: 2 })]],
    [() => shop.adjust(a, "d", 5), [() => shop.adjust(a, "d", 4), () => shop.set(a, "d", 14, 9)]],
    [() => shop.set(a, "s", 20, 14), [() => shop.set(a, "s", 21, 14), () => shop.set(a, "s", 20, 13)]],
  ];
  for (const [same, others] of pairs) {
    const first = await same();
    assert.match(first.said, /^20[01] accepted$/);
    for (const other of others) assert.match((await other()).said, /^422 \w+_conflict$/);
    const again = await same();
    assert.deepEqual([again.replayed, again.body], [true, first.body]);
  }
  assert.deepEqual(await shop.quantities(a), [[20, 0]]);
});

testEach(
  "a return of a SKU that its order does not have is refused by units, not as an unknown order",
  async (shop) => {
    const [a = "", b = ""] = await shop.stockUp("A", "B");
    await shop.deduct("o", a);
    const refused = await shop.returnUnits("o", "r", { [b]: 1 });
    assert.deepEqual([refused.said, refused.body.sku, refused.body.units], ["409 return_exceeds_sold", b, 0]);
    assert.equal((await shop.returnUnits("none", "r", { [b]: 1 })).said, "404 unknown_order");
    assert.deepEqual(await shop.quantities(a, b), [[9, 0], [10, 0]]);
  },
);
