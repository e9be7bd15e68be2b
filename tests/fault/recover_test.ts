/**
 * PostgreSQL goes back to a backup: what the log still has is applied again, and for the rest a person decides with the
 * count. What was sold is never for sale again without a word, and neither numbers nor epochs are issued twice.
 */
import assert from "node:assert/strict";
import { backUp, restore } from "../../tools/servers/backup.ts";
import { withConnection } from "../../tools/servers/database.ts";
import { type RedisServer, startRedis } from "../../tools/servers/redis.ts";
import { sharedPostgres } from "../../tools/servers/shared.ts";
import { stockUp } from "../system/ledger_audit.ts";
import { inventory, json } from "../system/command_line.ts";
import { type Env, type Service, type Stack, startStack } from "../system/stack.ts";
import { armedAgain, armings, drained, headOf, queryNumber, saying } from "./fault_probe.ts";
import { position } from "./redis_state.ts";
import { note } from "./fault_scenario.ts";

const EVENTS = "{inventory:0}:events";
const REASON = "restored from the night's backup";

/** A shop with 100 units, whose ledger was copied then. */
interface Shop extends AsyncDisposable {
  readonly redis: RedisServer;
  readonly databaseUrl: string;
  readonly stack: Stack;
  readonly env: Env;
  /** Last number in the copy. */
  readonly copied: number;
}

async function startShop({ before }: { before?: (api: Service) => Promise<void> } = {}): Promise<Shop> {
  await using owned = new AsyncDisposableStack();
  const redis = owned.use(await startRedis());
  const databaseUrl = await sharedPostgres().freshDatabase();
  const stack = owned.use(
    await startStack({ redisUrl: redis.url, databaseUrl, env: { USER_LIMIT_MS: "0" } }),
  );
  await stockUp(stack.api, new Map([["sku", 100]]));
  await before?.(stack.api);
  const copied = await drained(redis);
  await backUp(databaseUrl);
  await armedAgain(stack.worker, 1);
  const env = { REDIS_URL: redis.url, DATABASE_URL: databaseUrl };
  const all = owned.move();
  return { redis, databaseUrl, stack, env, copied, [Symbol.asyncDispose]: () => all.disposeAsync() };
}

function held(order_id: string) {
  return { order_id, user_id: "user", lines: [{ sku: "sku", amount: 2 }], ttl_seconds: 600 };
}

async function reserveThree(api: Service): Promise<void> {
  for (const name of ["before-1", "before-2", "before-3"]) {
    assert.ok((await api.post("/api/v1/reservations", held(name))).status < 300);
  }
}

/** Corrections, and movements with a higher number, as text. */
async function movementsSince(databaseUrl: string, seq: number): Promise<string[]> {
  const rows = await withConnection(
    databaseUrl,
    (sql) =>
      sql`select concat_ws(' ', seq, kind, sku, delta, reserved_delta, available_after, reason) as row
        from inventory.movements where seq > ${seq} or kind = 'correction' order by seq, line`,
  );
  return rows.map(({ row }) => row);
}

async function buy(api: Service, orderId: string): Promise<unknown[]> {
  const order = { sku: "sku", user_id: "user", order_id: orderId, amount: 1 };
  const { status, body } = await api.post("/api/v1/inventory/deduct", order);
  return [status, body.code ?? body.new_stock];
}

/** Sells as many units as names, one after the other. */
async function sell(api: Service, count: number, name = "order"): Promise<void> {
  for (let i = 0; i < count; i++) assert.equal((await buy(api, `${name}-${i}`))[0], 200);
}

async function refused(worker: Service, why: RegExp): Promise<void> {
  const isSaid = () => worker.logged("shard refused").some(({ reason }) => why.test(String(reason)));
  await saying(worker, `a refusal as ${why}`, isSaid);
}

async function jumps(databaseUrl: string): Promise<unknown[]> {
  const rows = await withConnection(
    databaseUrl,
    (sql) =>
      sql`select from_seq::int, to_seq::int, count::int, actor like 'cli:%' as "byHand", reason
        from inventory.log_jumps order by from_seq`,
  );
  return rows.map((row) => ({ ...row }));
}

Deno.test("recover: a PostgreSQL of an older copy gets from the log what it lacks, and its shard sells again", async () => {
  await using shop = await startShop();
  const { redis, databaseUrl, stack: { api, worker }, env } = shop;
  await sell(api, 5);
  const head = await drained(redis);
  const before = { ...await position(redis), armings: armings(worker) };
  await restore(databaseUrl);
  const startMs = performance.now();
  await armedAgain(worker, before.armings);
  note(`armed again ${Math.round(performance.now() - startMs)} ms after the restore`);
  assert.equal(await drained(redis), head);
  assert.ok((await position(redis)).epoch > before.epoch, "no epoch is issued twice");
  assert.equal(
    await queryNumber(databaseUrl, "select count(*) from inventory.movements where kind = 'deduct'"),
    5,
  );
  assert.deepEqual(await jumps(databaseUrl), [], "nothing is lost");
  assert.deepEqual(await buy(api, "next"), [200, 94], "an API that saw the later epochs sells on");
  await json(env, 0, "reconcile");
});

Deno.test("recover: what neither ledger nor log has is refused with its count, and taken from the store when that is accepted", async () => {
  await using shop = await startShop();
  const { redis, databaseUrl, stack: { api, worker }, env, copied } = shop;
  await sell(api, 20);
  const head = await drained(redis);
  await redis.cli("XTRIM", EVENTS, "MAXLEN", "5");
  await restore(databaseUrl);
  await refused(worker, new RegExp(`ledger went back.*20 numbers, ${copied + 1} to ${head}, are neither`));
  assert.deepEqual(await buy(api, "too-late"), [503, "unarmed"]);
  // Older than the window: what it sold shows in the stock only.
  assert.equal(await redis.cli("HDEL", "{inventory:0}:orders:0", "order-0"), "1");
  api.history.forgotten(copied + 1);
  api.history.declaredLosses(1);

  const why = ["recover", "--reason", REASON];
  const unasked = await inventory(env, ...why);
  assert.deepEqual([unasked.code, unasked.err.includes("pass --lost 20")], [2, true], unasked.err);
  const other = await inventory(env, ...why, "--lost", "19");
  assert.deepEqual(
    [other.code, other.err.includes("--lost 19 was accepted. 20 numbers")],
    [1, true],
    other.err,
  );
  const { recovered } = await json(env, 0, ...why, "--lost", "20") as { recovered: object[] };
  assert.partialDeepStrictEqual(recovered[0], {
    lost: 20,
    figures_of: "store",
    recalled_events: 19,
    corrected_skus: 1,
    by: "worker",
  });

  assert.deepEqual(await jumps(databaseUrl), [
    { from_seq: copied, to_seq: head, count: 20, byHand: true, reason: REASON },
  ]);
  assert.deepEqual(await movementsSince(databaseUrl, copied), [
    `${copied} correction sku -1 0 99 ${REASON}`,
    ...Array.from({ length: 19 }, (_, i) => `${copied + 2 + i} deduct sku -1 0 ${98 - i} ${REASON}`),
  ]);
  assert.deepEqual(await buy(api, "order-3"), [200, 96], "a replay");
  assert.deepEqual(await buy(api, "next"), [200, 79]);
  await drained(redis);
  await json(env, 0, "verify");
  await json(env, 0, "reconcile");
  const nothing = {
    recovered: [],
    declared: [{ shard: 0, from: copied + 1, to: head, count: 20, reason: REASON }],
  };
  assert.partialDeepStrictEqual(await json(env, 0, ...why), nothing);
  await json(env, 0, "rebuild", "--yes");
  assert.deepEqual(await buy(api, "order-3"), [200, 96], "a replay after a rebuild too");
});

Deno.test("recover: reservations, returns, adjustments, new SKUs and rules of lost numbers are taken from the store", async () => {
  await using shop = await startShop({ before: reserveThree });
  const { redis, databaseUrl, stack: { api, worker }, env, copied } = shop;
  const post = async (path: string, body: object) => {
    const { status, body: said } = await api.post(`/api/v1/${path}`, body);
    assert.ok(status < 300, `${path}: ${status} ${JSON.stringify(said)}`);
    return said.seq;
  };
  const first: [string, object, unknown][] = [];
  const once = async (path: string, body: object) => void first.push([path, body, await post(path, body)]);
  await post("reservations/before-1/confirm", { lines: [{ sku: "sku", amount: 1 }] });
  await post("reservations/before-2/cancel", {});
  await post("reservations/before-3/extend", { ttl_seconds: 1200 });
  await post("reservations", held("lost-1"));
  await post("reservations", held("lost-2"));
  await once("reservations/lost-2/confirm", {});
  await sell(api, 3);
  await once("orders/order-0/return", { return_id: "r", lines: [{ sku: "sku", amount: 1 }] });
  await once("inventory/sku/adjustments", { adjustment_id: "a", delta: 7, reason: "found" });
  await json(env, 0, "set", "new", "5", "--expected", "none");
  await json(env, 0, "rules", "new", "--quota", "2");
  await json(env, 0, "pause", "sku");
  const head = await drained(redis);
  const before = await position(redis);
  await redis.cli("XTRIM", EVENTS, "MAXLEN", "1");
  await restore(databaseUrl);
  await refused(worker, /ledger went back/);

  const lost = String(head - copied);
  await json(env, 0, "recover", "--reason", REASON, "--lost", lost);
  assert.ok((await position(redis)).epoch > before.epoch);
  for (const rebuilt of [false, true]) {
    if (rebuilt) await json(env, 0, "rebuild", "--yes");
    await json(env, 0, "verify");
    await json(env, 0, "reconcile");
    const quantities = { available: 98, reserved: 4, paused: true };
    assert.partialDeepStrictEqual(await json(env, 0, "stock", "sku"), quantities);
    for (const [path, body, seq] of first) assert.equal(await post(path, body), seq, `${path} is a replay`);
  }
  await post("reservations/lost-1/confirm", {});
  await post("reservations/before-3/confirm", {});
  await drained(redis);
  await json(env, 0, "verify");
  await json(env, 0, "reconcile");
});

Deno.test("recover: a store that is emptied after the ledger went back is not filled without a word", async () => {
  await using shop = await startShop();
  const { redis, databaseUrl, stack: { api, worker }, env, copied } = shop;
  await sell(api, 20);
  const head = await drained(redis);
  const { epoch } = await position(redis);
  await redis.cli("XTRIM", EVENTS, "MAXLEN", "5");
  await restore(databaseUrl);
  await refused(worker, /ledger went back/);
  await redis.cli("FLUSHALL");
  await refused(worker, new RegExp(`a store has an acknowledgement of ${head}. 20 numbers`));
  assert.deepEqual(await buy(api, "too-late"), [503, "unarmed"]);
  const rebuilding = await inventory(env, "rebuild", "--yes");
  assert.deepEqual([rebuilding.code, rebuilding.err.includes("pass --lost 20")], [2, true], rebuilding.err);

  api.history.declaredLosses(20);
  const why = ["recover", "--reason", "no other copy", "--lost", "20"];
  const { recovered } = await json(env, 0, ...why) as { recovered: object[] };
  assert.partialDeepStrictEqual(recovered[0], { lost: 20, figures_of: "ledger", corrected_skus: 0 });
  assert.deepEqual(await jumps(databaseUrl), [
    { from_seq: copied, to_seq: head, count: 20, byHand: true, reason: "no other copy" },
  ]);
  assert.ok((await position(redis)).epoch > epoch, "no epoch is issued twice");
  assert.deepEqual(await buy(api, "next"), [200, 99], "an API that saw the later epochs sells on");
  assert.equal(await headOf(redis), head + 1, "nor a number");
});

Deno.test("recover: a rebuild of a log with a hole says how many numbers are lost before it does anything", async () => {
  await using shop = await startShop();
  const { redis, databaseUrl, stack: { api, worker }, env } = shop;
  await worker.kill();
  const applied = await headOf(redis);
  await sell(api, 50);
  const ids = (await redis.cli("XRANGE", EVENTS, "-", "+")).match(/^\d+-\d+$/gm) ?? [];
  const hole = ids.find((id) => id.endsWith(`-${applied + 20}`)) ?? "";
  assert.equal(await redis.cli("XDEL", EVENTS, hole), "1");
  const unasked = await inventory(env, "rebuild", "--yes");
  const words = `31 numbers are neither in the ledger nor in the log (shard 0: numbers ${applied + 20} to ${
    applied + 50
  })`;
  assert.deepEqual([unasked.code, unasked.err.includes(words)], [2, true], unasked.err);
  assert.match(unasked.err, /'inventory recover' keeps the store's stock/);
  assert.deepEqual(await buy(api, "too-late"), [503, "unarmed"], "so that the count stays true");

  const { recovered } = await json(env, 0, "recover", "--reason", "an entry was deleted", "--lost", "31") as {
    recovered: object[];
  };
  assert.partialDeepStrictEqual(recovered[0], { lost: 31, figures_of: "store", by: "this process" });
  assert.equal(
    await queryNumber(
      databaseUrl,
      "select count(*) from inventory.movements where kind = 'deduct' and line < 1000",
    ),
    19,
    "applied up to the hole",
  );
  assert.equal(await queryNumber(databaseUrl, "select available from inventory.stock where sku = 'sku'"), 50);
  await worker.restart();
  await armedAgain(worker, 0);
  assert.deepEqual(await buy(api, "next"), [200, 49]);

  // The same once more, and the loss is chosen.
  api.history.declaredLosses(1);
  await drained(redis);
  await worker.kill();
  await sell(api, 10, "second");
  const [head, last] = [await headOf(redis), `${(await position(redis)).epoch}-${await headOf(redis)}`];
  await redis.cli("XDEL", EVENTS, last);
  const { shards } = await json(env, 0, "rebuild", "--yes", "--lost", "1") as { shards: object[] };
  assert.partialDeepStrictEqual(shards[0], { lost: 1, by: "this process" });
  assert.equal(await headOf(redis), head);
  await worker.restart();
  assert.equal(await queryNumber(databaseUrl, "select available from inventory.stock where sku = 'sku'"), 40);
});
