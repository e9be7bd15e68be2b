/**
 * Contents made to break something: in ids, in bodies, in what Redis remembers. Whatever it is, it hurts the
 * one request that carries it, and the ledger hold exactly what was accepted.
 */
import assert from "node:assert/strict";
import { type RedisServer, startRedis } from "../../tools/servers/redis.ts";
import { sharedPostgres } from "../../tools/servers/shared.ts";
import { withConnection } from "../../tools/servers/database.ts";
import { type LedgerTables, readLedger, stockOf, stockUp } from "../system/ledger_audit.ts";
import { HttpConnection } from "../system/http_connection.ts";
import { type Service, type Stack, startStack } from "../system/stack.ts";
import { note } from "./fault_scenario.ts";
import { position } from "./redis_state.ts";

const PATH = "/api/v1/inventory/deduct";
const ENV = { USER_LIMIT_MS: "0" };
const UNITS = 10_000;
const NEIGHBORS = 50;
const ANSWER_DEADLINE_MS = 30_000;

/** Texts that are an id like any other, though they look like something else. */
const STRANGE_IDS = [
  "{inventory:0}:meta",
  "{inventory:0}:orders:0",
  "armed",
  "seq",
  "*",
  "' OR 1=1; DROP TABLE inventory.movements; --",
  "$1",
  "\\",
  '"',
  '"]]=]--',
  "]] redis.call('FLUSHALL') --[[",
  "%s%d%n",
  "{}",
  "[]",
  '{"$ne":null}',
  "null",
  "NaN",
  "-1",
  "0",
  "1e308",
  "9007199254740993",
  "__proto__",
  "constructor",
  "hasOwnProperty",
  "...",
  "e\u0301",
  "\u00e9",
  "😀".repeat(32),
  "x".repeat(128),
];

/** Texts that no id may be, though a note for people may. */
const IDS_OF_NOBODY = [
  ".",
  "..",
  " ",
  " leading and trailing ",
  "sku\u00a0with\u2028separators\u2029",
  "\u202eright-to-left",
  "zero\u200bwidth",
];

/** Texts that no id may be. */
const BROKEN_IDS = [
  ...IDS_OF_NOBODY,
  "",
  "\u0000",
  "a\u0000b",
  "\u0001order",
  "\u0002canary",
  "user\u001fsku",
  "line\nbreak",
  "\u007f",
  "\u0085",
  "\ud800",
  "\udc00x",
  "\udc00\ud800",
  "\ufffd",
  "x".repeat(129),
  "😀".repeat(33),
];

/** Values that are no amount of units. */
const BROKEN_AMOUNTS = [
  "9007199254740992",
  "9007199254740993",
  "1e308",
  "1e400",
  "-1e400",
  "0",
  "-0",
  "-1",
  "1.5",
  "1000001",
  '"1"',
  "[1]",
  "[]",
  "{}",
  "null",
  "true",
];

const BROKEN_BODIES = [
  "",
  "[]",
  "{}",
  "null",
  "0",
  '""',
  "[[]]",
  '{"sku":',
  "\u0000",
  "{".repeat(10_000),
  "[{}]",
];

/** One request that must be refused as such. */
interface Poison {
  readonly path: string;
  readonly body: string;
}

Deno.test("poison over HTTP: no 5xx, nothing half done, and good orders in the same moment go through", async () => {
  await using redis = await startRedis();
  await using fixture = await openFixture(redis);
  const { api } = fixture.stack;
  const before = await position(redis);

  const poison = [...brokenOrders(), ...brokenAdjustments()];
  const [answers, good] = await Promise.all([
    Promise.all(poison.map(({ path, body }) => send(api, path, body))),
    buyTogether(api, "neighbor", NEIGHBORS),
  ]);
  answers.forEach(({ status, body }, index) => {
    assert.equal(status, 400, `${JSON.stringify(poison[index]).slice(0, 300)}: ${JSON.stringify(body)}`);
    assert.equal(body.code, "invalid_request");
  });
  assert.deepEqual([...new Set(good)], [200]);
  for (const path of BROKEN_PATHS) assert.equal((await api.get(path)).status, 400, path);
  assert.equal((await position(redis)).seq, before.seq + NEIGHBORS, "poison was accepted");
  note(`${poison.length + BROKEN_PATHS.length} requests refused, ${good.length} good ones went through`);
  const tables = await fixture.tables(["sku"]);
  assert.equal(tables.lines.length, NEIGHBORS);
  assert.equal(tables.deadLetters, 0);
});

/** In a path: percent-encoding of a lone surrogate, of a byte that is no UTF-8, of NUL, and none at all. */
const BROKEN_PATHS = ["%ED%A0%80", "%FF", "%00", "%1F", "%", "%zz"].flatMap((id) => [
  `/api/v1/inventory/${id}`,
  `/api/v1/orders/${id}`,
]);

Deno.test("ids that look like keys, Lua, SQL and JSON are ids: sold, replayed, found and applied as they are", async () => {
  await using redis = await startRedis();
  await using fixture = await openFixture(redis);
  const { api } = fixture.stack;
  const skus = STRANGE_IDS.map((id) => ({ id, path: `/api/v1/inventory/${encodeURIComponent(id)}` }))
    .filter(({ id }) => id !== ".."); // a path has another meaning for it
  for (const { id, path } of skus) {
    const made = await api.post(`${path}/adjustments`, {
      adjustment_id: id,
      delta: 10,
      reason: id,
      reference: id,
    });
    assert.equal(made.status, 201, `${id}: ${JSON.stringify(made.body)}`);
  }
  const order = (id: string, sku: string) => JSON.stringify({ sku, user_id: id, order_id: id, amount: 2 });
  const bought = await Promise.all(skus.map(({ id }) => send(api, PATH, order(id, id))));
  const again = await Promise.all(skus.map(({ id }) => send(api, PATH, order(id, id))));
  for (const [index, { id, path }] of skus.entries()) {
    assert.equal(bought[index]?.status, 200, `${id}: ${JSON.stringify(bought[index]?.body)}`);
    assert.deepEqual(again[index]?.body, bought[index]?.body, id);
    const { body } = await api.get(path);
    assert.deepEqual([body.sku, body.available], [id, 8]);
    const found = await api.get(`/api/v1/orders/${encodeURIComponent(id)}`);
    assert.deepEqual((found.body.lines as { sku: string }[]).map(({ sku }) => sku), [id]);
  }
  const { lines, stock, deadLetters } = await fixture.tables(["sku"]);
  assert.deepEqual(lines.map(({ order_id }) => order_id).sort(), skus.map(({ id }) => id).sort());
  assert.ok(lines.every(({ order_id, user_id, sku }) => order_id === sku && user_id === sku));
  assert.ok(skus.every(({ id }) => stock.find(({ sku }) => sku === id)?.available === 8));
  assert.equal(deadLetters, 0);
});

Deno.test("sums at the edge of what a SKU can hold are exact, and what is beyond is refused", async () => {
  await using redis = await startRedis();
  await using fixture = await openFixture(redis);
  const { api } = fixture.stack;
  const adjust = (id: string, delta: number) =>
    api.post("/api/v1/inventory/huge/adjustments", { adjustment_id: id, delta });
  const most = 10 ** 12;
  assert.equal((await adjust("a", most)).body.available, most);
  const beyond = await adjust("b", 1);
  assert.deepEqual([beyond.status, beyond.body.code], [409, "stock_limit"]);
  assert.equal((await adjust("c", -1)).body.available, most - 1);
  assert.equal(
    (await send(api, PATH, '{"sku":"huge","user_id":"u","order_id":"o","amount":1000000}')).body.new_stock,
    most - 1_000_001,
  );
  const below = await adjust("d", -most);
  assert.deepEqual([below.status, below.body.available], [409, most - 1_000_001]);
  assert.equal(await redis.cli("HGET", "{inventory:0}:stock", "huge"), `${most - 1_000_001} 0`);
});

/** Values in Redis, written by hand, on which the script throws. */
const CORRUPTIONS = [
  {
    what: "a remembered order that cannot be unpacked",
    victims: { sku: "sku", orderId: "poisoned" },
    corrupt: (redis: RedisServer) =>
      redis.cli(
        "EVAL",
        "return redis.call('HSET', KEYS[1], ARGV[1], '\\193\\255')",
        "1",
        "{inventory:0}:orders:0",
        "poisoned",
      ),
    heal: (redis: RedisServer) => redis.cli("HDEL", "{inventory:0}:orders:0", "poisoned"),
  },
  {
    what: "a remembered order that is not a list",
    victims: { sku: "sku", orderId: "poisoned" },
    corrupt: (redis: RedisServer) => redis.cli("HSET", "{inventory:0}:orders:0", "poisoned", "\u0007"),
    heal: (redis: RedisServer) => redis.cli("HDEL", "{inventory:0}:orders:0", "poisoned"),
  },
  {
    what: "a SKU whose units are not a number",
    victims: { sku: "broken", orderId: "any" },
    corrupt: (redis: RedisServer) => redis.cli("HSET", "{inventory:0}:stock", "broken", "many few"),
    heal: (redis: RedisServer) => redis.cli("HSET", "{inventory:0}:stock", "broken", `${UNITS} 0`),
  },
];

for (const { what, victims, corrupt, heal } of CORRUPTIONS) {
  Deno.test(`a script that throws on ${what} isolates one command, not its batch`, async () => {
    await using redis = await startRedis();
    await using fixture = await openFixture(redis, ["sku", "broken"]);
    const { api } = fixture.stack;
    const { seq } = await position(redis);
    await corrupt(redis);
    const order = { sku: victims.sku, user_id: "victim", order_id: victims.orderId, amount: 1 };
    await using buyers = await openBuyers(api, NEIGHBORS);
    using connection = await openConnection(api);
    // All at once to a Redis that is held for a moment: what is not in the first two calls waits for one batch.
    redis.freeze();
    const first = buyers.buyAll("first");
    assert.equal((await api.get("/livez")).status, 200); // the process has read what came before this
    const struck = connection.value.post(PATH, order);
    const second = buyTogether(api, "second", NEIGHBORS);
    assert.equal((await api.get("/livez")).status, 200);
    redis.thaw();
    const [good, victim, more] = await Promise.all([first, struck, second]);
    assert.deepEqual([...new Set([...good, ...more])], [200], "good orders of the same moment");
    assert.deepEqual([victim.status, victim.body.code], [503, "store_unavailable"]);
    assert.ok(
      await scriptErrors(redis) >= 2,
      "the script has not thrown on a batch, and then on one command",
    );
    assert.equal((await position(redis)).seq, seq + 2 * NEIGHBORS, "each good order once, the victim never");

    await heal(redis);
    assert.equal((await connection.value.post(PATH, order)).status, 200);
    const { lines, deadLetters } = await fixture.tables(["sku", "broken"]);
    assert.equal(lines.length, 2 * NEIGHBORS + 1);
    assert.equal(deadLetters, 0);
  });
}

/** How often a script has thrown since the server started. */
async function scriptErrors(redis: RedisServer): Promise<number> {
  const errors = await redis.cli("INFO", "errorstats");
  return Number(/errorstat_ERR:count=(\d+)/.exec(errors)?.[1] ?? 0);
}

interface Fixture extends AsyncDisposable {
  readonly stack: Stack;
  /** Waits until all that was sold is applied. */
  tables(skus: readonly string[]): Promise<LedgerTables>;
}

async function openFixture(redis: RedisServer, skus: readonly string[] = ["sku"]): Promise<Fixture> {
  const databaseUrl = await sharedPostgres().freshDatabase();
  const stack = await startStack({ redisUrl: redis.url, databaseUrl, env: ENV });
  await stockUp(stack.api, new Map(skus.map((sku) => [sku, UNITS])));
  return {
    stack,
    async tables(skus) {
      const stock = await stockOf(stack.api, skus); // with the head of the whole shard
      const tables = await readLedger({ databaseUrl }, stock);
      await withConnection(databaseUrl, async (sql) => {
        const [row] = await sql`select count(*)::int as count from inventory.compensations`;
        assert.equal(row?.count, 0);
      });
      return tables;
    },
    [Symbol.asyncDispose]: () => stack[Symbol.asyncDispose](),
  };
}

function brokenOrders(): Poison[] {
  const whole = { sku: '"sku"', user_id: '"user"', order_id: '"order"', amount: "1" };
  const withMember = (name: string, json: string) =>
    `{${Object.entries({ ...whole, [name]: json }).map(([key, value]) => `"${key}":${value}`)}}`;
  const ids = [
    ...BROKEN_IDS.map((id) => JSON.stringify(id)),
    "null",
    "0",
    "[]",
    "{}",
    '["sku"]',
    '[["sku",1]]',
  ];
  return [
    ...["sku", "user_id", "order_id"].flatMap((name) => ids.map((json) => withMember(name, json))),
    ...BROKEN_AMOUNTS.map((json) => withMember("amount", json)),
    ...BROKEN_BODIES,
    withMember("__proto__", '{"amount":1}'),
    withMember("SKU", '"other"'),
  ].map((body) => ({ path: PATH, body }));
}

function brokenAdjustments(): Poison[] {
  const path = "/api/v1/inventory/sku/adjustments";
  const bodies = [
    ...BROKEN_IDS.map((id) => ({ adjustment_id: id, delta: 1 })),
    ...BROKEN_IDS.filter((text) => text !== "" && text.length < 5 && !IDS_OF_NOBODY.includes(text))
      .map((text) => ({ adjustment_id: "id", delta: 1, reason: text })),
    ...[2 ** 53, -(2 ** 53), 10 ** 12 + 1, 0.5, [], {}].map((delta) => ({ adjustment_id: "id", delta })),
  ];
  return bodies.map((body) => ({ path, body: JSON.stringify(body) }));
}

async function openConnection(api: Service): Promise<Disposable & { readonly value: HttpConnection }> {
  const value = await HttpConnection.open(api.url, ANSWER_DEADLINE_MS);
  return { value, [Symbol.dispose]: () => value.close() };
}

interface Buyers extends AsyncDisposable {
  /** One order a buyer, all at once. Returns their statuses. */
  buyAll(name: string): Promise<number[]>;
}

async function openBuyers(api: Service, count: number): Promise<Buyers> {
  const connections = await Promise.all(Array.from({ length: count }, () => openConnection(api)));
  return {
    buyAll: (name) =>
      Promise.all(connections.map(async ({ value }, index) => {
        const id = `${name}-${index}`;
        return (await value.post(PATH, { sku: "sku", user_id: id, order_id: id, amount: 1 })).status;
      })),
    [Symbol.asyncDispose]() {
      for (const { value } of connections) value.close();
      return Promise.resolve();
    },
  };
}

async function buyTogether(api: Service, name: string, count: number): Promise<number[]> {
  await using buyers = await openBuyers(api, count);
  return await buyers.buyAll(name);
}

/** `POST` of a text as it is. */
function send(api: Service, path: string, text: string) {
  return api.history.send({ method: "POST", path, body: parsed(text) }, async () => {
    const response = await fetch(api.url + path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: text,
    });
    const replayed = response.headers.get("idempotency-replayed") === "true";
    return { status: response.status, replayed, body: await response.json() as Record<string, unknown> };
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
