/**
 * Every command of every runbook, taken from the page and run in the state that the page is for.
 *
 * A command that is missing here cannot be: the pages are read, and a house rule holds `runbook_sections.ts` to them.
 */
import assert from "node:assert/strict";
import { backUp, restore } from "../../tools/servers/backup.ts";
import { withConnection } from "../../tools/servers/database.ts";
import { programOf } from "../../tools/servers/install.ts";
import { freePort } from "../../tools/servers/port.ts";
import { type RedisServer, startRedis } from "../../tools/servers/redis.ts";
import { sharedPostgres } from "../../tools/servers/shared.ts";
import { waitFor } from "../../tools/servers/wait.ts";
import { runbookCommands } from "../tidy/runbooks.ts";
import { inventory, type Ran } from "./command_line.ts";
import type { Runbook, runbookSections } from "./runbook_sections.ts";
import { type Env, Service, type Stack, startStack } from "./stack.ts";

const DEADLINE_MS = 60_000;
/** A slice is due within 3 s of an arming, and then every 10 s. */
const RECONCILED_DEADLINE_MS = 60_000;
/** curl's exit code when nothing listens. */
const NOBODY_LISTENS = 7;
/** These ask before they act, and no terminal is there to answer. */
const ASKING = ["correct", "repair", "rebuild"];

/** A deployment of its own, whose Redis may be struck. */
interface Fixture extends AsyncDisposable {
  readonly redis: RedisServer;
  readonly databaseUrl: string;
  readonly stack: Stack;
  readonly env: Env;
  readonly folder: string;
}

async function fixture(own: Env = {}): Promise<Fixture> {
  await using owned = new AsyncDisposableStack();
  const redis = owned.use(await startRedis());
  const databaseUrl = await sharedPostgres().freshDatabase();
  const env = { USER_LIMIT_MS: "0", ...own };
  const stack = owned.use(await startStack({ redisUrl: redis.url, databaseUrl, env }));
  const folder = await Deno.makeTempDir();
  owned.defer(() => Deno.remove(folder, { recursive: true }));
  const moved = owned.move();
  return {
    ...{ redis, databaseUrl, stack, folder },
    env: { ...env, REDIS_URL: redis.url, DATABASE_URL: databaseUrl },
    [Symbol.asyncDispose]: () => moved.disposeAsync(),
  };
}

/** What a command must come to, by how it begins; what is not named must exit with 0. */
type Expected = Readonly<Record<string, { readonly code?: number; readonly says?: RegExp }>>;

/** Runs the commands of one section of a page, in their order. */
async function runSection<P extends Runbook>(
  { env, redis, databaseUrl, folder }: Pick<Fixture, "env" | "redis" | "databaseUrl" | "folder">,
  page: P,
  section: (typeof runbookSections)[P][number],
  fills: Readonly<Record<string, string>>,
  expected: Expected = {},
): Promise<void> {
  const url = new URL(`../../docs/operate/${page}.md`, import.meta.url);
  const commands = runbookCommands(await Deno.readTextFile(url)).filter((one) => one.section === section);
  assert.ok(commands.length > 0, `${page} has no commands under '${section}'`);
  for (const { command } of commands) {
    const filled = command.replaceAll(/<([^>]+)>/g, (_, name: string) => {
      const fill = fills[name];
      assert.ok(fill !== undefined, `${page}: nothing to put in for <${name}> of '${command}'`);
      return fill;
    });
    const args = [...filled.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map((found) =>
      found.slice(1).find((part) => part !== undefined) ?? ""
    );
    const ran = await run(args, { env, redis, databaseUrl, folder });
    const [, want] = Object.entries(expected).find(([start]) => command.startsWith(start)) ?? [];
    const said = `${page}, ${section}: '${filled}' exited with ${ran.code}\n${ran.out}\n${ran.err}`;
    assert.equal(ran.code, want?.code ?? 0, said);
    if (want?.says) assert.match(ran.out + ran.err, want.says, said);
  }
}

async function run(
  [program = "", ...args]: readonly string[],
  { env, redis, databaseUrl, folder }: Pick<Fixture, "env" | "redis" | "databaseUrl" | "folder">,
): Promise<Ran> {
  switch (program) {
    case "deno": {
      const [task, task2, verb = "", ...rest] = args;
      assert.equal(task, "task");
      if (task2 === "worker") return await runWorker(env);
      assert.equal(task2, "inventory");
      const yes = ASKING.includes(verb) ? ["--yes"] : [];
      const report = verb === "repair" ? ["--report", `${folder}/repair.json`] : [];
      return await inventory(env, verb, ...rest, ...yes, ...report);
    }
    case "redis-cli":
      return await toEnd(programOf("redis", "redis-cli"), ["-u", redis.url, ...args]);
    case "psql":
      return await toEnd("psql", ["--dbname", databaseUrl, ...args]);
    case "df":
      return await toEnd(program, args);
    default:
      assert.equal(program, "curl");
      return await toEnd(program, ["--silent", "--show-error", "--max-time", "10", ...args]);
  }
}

/** A worker runs until it is stopped: here until it has armed the shard or applied what waits. */
async function runWorker(env: Env): Promise<Ran> {
  await using worker = await Service.start("worker", env);
  const { REDIS_URL = "" } = env;
  await waitFor(async () => {
    const { out } = await inventory({ ...env, REDIS_URL }, "status", "--json");
    const [shard] = JSON.parse(out).shards;
    return shard.armed && shard.lag === 0;
  }, { deadlineMs: DEADLINE_MS, what: "a worker that applies events" });
  const { code, output } = await worker.stop();
  return { code: code ?? 1, out: output, err: "" };
}

async function toEnd(program: string, args: readonly string[]): Promise<Ran> {
  const signal = AbortSignal.timeout(DEADLINE_MS);
  const child = new Deno.Command(program, { args: [...args], stdin: "null", signal });
  const { code, stdout, stderr } = await child.output();
  const [out = "", err = ""] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { code, out, err };
}

async function buy({ stack }: Fixture, order_id: string, fields: object = {}): Promise<number> {
  const order = { sku: "sku", user_id: "u", order_id, amount: 1, ...fields };
  return (await stack.api.post("/api/v1/inventory/deduct", order)).status;
}

async function stockUp({ env }: Fixture, units: number): Promise<void> {
  const { code, err } = await inventory(env, "set", "sku", String(units), "--expected", "none");
  assert.equal(code, 0, err);
}

const META = "{inventory:0}:meta";
const STOCK = "{inventory:0}:stock";
const refused = /not armed|0 +(?:no|false)|armed/;

async function untilRefused({ stack: { worker } }: Fixture): Promise<void> {
  const isRefused = () => worker.logged("shard refused").length > 0;
  await waitFor(isRefused, { deadlineMs: DEADLINE_MS, what: "a refusal by the worker" });
}

/** Everything applied: the cursor is where the store is. */
async function drained({ redis, databaseUrl }: Fixture): Promise<void> {
  await waitFor(async () => {
    const head = await redis.cli("HGET", META, "seq");
    const rows = await withConnection(databaseUrl, (sql) => sql`select seq::text from inventory.log_cursor`);
    return rows[0]?.seq === head;
  }, { deadlineMs: DEADLINE_MS, what: "a ledger that has everything" });
}

Deno.test("runbooks: while it sells: slow decisions, few units, fewer requests, a process or a Collector that is away", async () => {
  await using here = await fixture();
  const { stack } = here;
  await stockUp(here, 50);
  assert.equal(await buy(here, "o-1"), 200);
  await here.redis.cli("EVAL", "local n = 0 for i = 1, 3e7 do n = n + i end return n", "0"); // slow
  await runSection(here, "DeductSlow", "Do", {}, { "redis-cli SLOWLOG": { says: /EVAL/ } });
  await runSection(here, "StockLow", "Look first", { sku: "sku" }, { "": { says: /available +49/ } });
  await runSection(here, "StockLow", "Do", { sku: "sku", delta: "100", reason: "a delivery" });
  const address = { "public address": stack.api.url };
  await runSection(here, "RequestRateCollapsed", "Look first", address, { "": { says: /200 OK/ } });
  const unused = `127.0.0.1:${freePort()}`;
  const away = { "": { code: NOBODY_LISTENS } };
  await runSection(here, "TelemetryDropped", "Look first", { collector: unused }, away);
  await stack.api.kill();
  const gone = { api: new URL(stack.api.url).host, collector: unused };
  await runSection(here, "ApiAbsent", "Look first", gone, away);
});

Deno.test("runbooks: no worker, and a ledger that is behind", async () => {
  await using here = await fixture();
  await stockUp(here, 1000);
  await drained(here);
  await here.stack.worker.stop();
  for (let i = 0; i < 20; i++) assert.equal(await buy(here, `o-${i}`), 200);
  const behind = { "deno task inventory status": { code: 0, says: /20/ } };
  for (const page of ["WorkerAbsent", "LogLagHigh", "LedgerBehind"] as const) {
    await runSection(here, page, "Look first", {}, behind);
  }
  await runSection(here, "LogLagHigh", "Do", {}, { psql: { says: /pg_stat_activity|wait_event/ } });
  await runSection(here, "WorkerAbsent", "Do", {});
});

Deno.test("runbooks: a Redis above maxmemory, and the disk of PostgreSQL", async () => {
  await using here = await fixture();
  await stockUp(here, 1000);
  await drained(here);
  await here.redis.cli("CONFIG", "SET", "maxmemory", "1");
  assert.equal(await buy(here, "o-1"), 503);
  const status = await inventory(here.env, "status");
  await runSection(here, "RedisMemoryHigh", "Look first", {}, {
    "deno task inventory status": { code: status.code, says: /OOM/ },
    "redis-cli INFO": { says: /used_memory:/ },
    "redis-cli MEMORY": { says: /^\d+/ },
  });
  await runSection(here, "RedisMemoryHigh", "Do", { bytes: "1000000000" }, { "": { says: /OK/ } });
  assert.equal(await buy(here, "o-1"), 200, "at once");
  await runSection(here, "PostgresDiskLow", "Look first", {}, { df: { says: /%/ }, psql: { says: /row/ } });
});

Deno.test("runbooks: dead letters are looked at, and closed with and without their units", async () => {
  await using here = await fixture();
  here.stack.api.history.unchecked("an order id is used again after the idempotency window");
  const { redis, databaseUrl, env } = here;
  await stockUp(here, 100);
  for (const order of ["o-1", "o-2"]) assert.equal(await buy(here, order), 200);
  for (const turn of [1, 2]) { // the store forgets: both generations are a window old
    await redis.cli("HSET", META, "orders_since", "0");
    await inventory(env, "adjust", "other", String(turn));
  }
  for (const order of ["o-1", "o-2"]) assert.equal(await buy(here, order, { user_id: "another user" }), 200);
  const letters = () =>
    withConnection(
      databaseUrl,
      (sql) => sql`select id from inventory.dead_letters where closed_at is null order by id`,
    );
  await waitFor(async () => (await letters()).length === 2, {
    deadlineMs: DEADLINE_MS,
    what: "two dead letters",
  });

  const ids = (await letters()).map(({ id }) => String(id));
  const fills = { id: ids[0] ?? "", "order id": "o-1", decision: "the shop used the id twice" };
  await runSection(here, "DeadLetters", "Look first", fills, {
    "deno task inventory dead-letters <id>": { says: /another user/ },
    "deno task inventory dead-letters": { says: /line accepted before/ },
    "deno task inventory order": { says: /o-1/ },
  });
  // The page closes one dead letter in either way: the second command meets a closed one, so it gets the other.
  const page = await Deno.readTextFile(new URL("../../docs/operate/DeadLetters.md", import.meta.url));
  const closing = runbookCommands(page).filter(({ command }) => command.includes("close <id>"));
  assert.equal(closing.length, 2);
  let next = 0;
  const each = {
    ...fills,
    get id() {
      return ids[next++] ?? "";
    },
  };
  await runSection(here, "DeadLetters", "Do", each);
  assert.equal((await letters()).length, 0);
  await untilStock(here, 97, "100 − 2 − 2 + 1 given back");
});

async function untilStock({ env }: Fixture, units: number, why: string): Promise<void> {
  let available: unknown;
  await waitFor(async () => {
    available = JSON.parse((await inventory(env, "stock", "sku", "--json")).out).available;
    return available === units;
  }, { deadlineMs: DEADLINE_MS, what: `${units} units` }).catch(() => {}); // the assertion says it better
  assert.equal(available, units, why);
}

Deno.test("runbooks: a drift with events that wait: the ledger takes the store's stock, applying goes on", async () => {
  await using here = await fixture();
  const { redis, databaseUrl, stack } = here;
  await stockUp(here, 1000);
  assert.equal(await buy(here, "o-1"), 200);
  await drained(here);
  await redis.cli("HSET", STOCK, "sku", "1009 0"); // a slip by hand: 10 more than there are
  assert.equal(await buy(here, "o-2"), 200);
  await untilRefused(here);

  await runSection(here, "LedgerDrift", "Look first", {}, {
    "deno task inventory reconcile": { code: 1, says: /stock +sku +999\+0 +1009\+0/ },
    "deno task inventory verify": { says: /The ledger is whole/ },
    "deno task inventory status": { code: 1, says: refused },
  });
  await runSection(here, "LedgerDrift", "Do", {});
  const failing = { "deno task inventory status": { code: 1 }, curl: { says: /unarmed/ } };
  const fills = { api: new URL(stack.api.url).host, "order id": "o-1" };
  await runSection(here, "ErrorBudgetBurns", "Look first", fills, failing);
  await runSection(here, "ErrorBudgetBurns", "Do not", fills, { "": { says: /ledger: .*"sku"/ } });
  await runSection(here, "SuccessRateLow", "Look first", fills, failing);

  const startedMs = performance.now();
  const rebuild = await inventory(here.env, "rebuild", "--yes");
  assert.deepEqual([rebuild.code, performance.now() - startedMs < DEADLINE_MS], [1, true], "no 15 minutes");
  assert.match(
    rebuild.err,
    /cannot apply its log, .*'sku' is 999\+0 there, 1009\+0 here.*'inventory correct/s,
  );

  const cure = {
    "who changed what": "a slip with HSET",
    sku: "sku",
    delta: "-10",
    reason: "never on the shelf",
  };
  await runSection(here, "LedgerDrift", "Events wait", cure);
  assert.deepEqual(
    await withConnection(
      databaseUrl,
      (sql) => sql`select delta::int, reason from inventory.movements where kind = 'correction'`,
    ).then((rows) => [...rows]),
    [{ delta: 10, reason: "a slip with HSET" }],
  );
  assert.equal(await buy(here, "o-3"), 200);
});

Deno.test("runbooks: a drift with nothing that waits, in Redis or in the ledger", async () => {
  await using here = await fixture();
  const { redis, databaseUrl } = here;
  await stockUp(here, 1000);
  assert.equal(await buy(here, "o-1"), 200);
  await drained(here);
  const cure = { "who changed what": "a slip with psql" };

  await redis.cli("HSET", STOCK, "sku", "1009 0");
  await redis.cli("HDEL", META, "armed");
  await untilRefused(here);
  await runSection(here, "ShardUnarmed", "Look first", {}, { "": { code: 1 } });
  await runSection(here, "LedgerDrift", "Nothing waits", cure);
  assert.equal(JSON.parse((await inventory(here.env, "stock", "sku", "--json")).out).available, 999);

  await withConnection(databaseUrl, (sql) => sql`update inventory.stock set available = 5`);
  const wrong = await inventory(here.env, "verify", "--json");
  assert.deepEqual(JSON.parse(wrong.out).faults.map(({ check }: { check: string }) => check), ["stock"]);
  const corrected = await inventory(here.env, "correct", "--yes", "--reason", "a slip with psql");
  assert.equal(corrected.code, 0, corrected.err);
  assert.equal((await inventory(here.env, "verify")).code, 0);
  assert.equal((await inventory(here.env, "reconcile")).code, 0);
});

/** A movement that no event explains, as an insert by hand makes it. */
const forgedMovement =
  `insert into inventory.movements (shard, epoch, seq, line, kind, order_id, user_id, sku, delta,
  reserved_delta, available_after, reserved_after, fingerprint, reason, reference, actor, traceparent, occurred_at)
  select shard, epoch, seq, 1500, 'correction', '', '', 'sku', 4, 0, 1004, 0, '', 'forged', '', '', '', now()
  from inventory.log_cursor`;

/** Alters the entry before the last one: a stream takes entries at its end only, so both are appended again. */
const alterEntry = `
  local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 3)
  redis.call('XDEL', KEYS[1], last[1][1], last[2][1])
  redis.call('XSETID', KEYS[1], last[3][1])
  for i = 1, #last[2][2] do last[2][2][i] = string.gsub(last[2][2][i], 'o%-1', 'x-1') end
  redis.call('XADD', KEYS[1], last[2][1], unpack(last[2][2]))
  redis.call('XADD', KEYS[1], last[1][1], unpack(last[1][2]))
  return #last`;

Deno.test("runbooks: differences that the worker finds while it sells are named, and mended with a reason", async () => {
  await using here = await fixture({ RECONCILE_MINUTES: "1" });
  const { redis, databaseUrl, stack: { worker, api } } = here;
  await stockUp(here, 1000);
  await drained(here);
  await redis.cli("HSET", STOCK, "sku", "1009 0"); // nothing is sold from it
  const found = (count: number) =>
    waitFor(() => worker.logged("store and ledger differ").length >= count, {
      deadlineMs: RECONCILED_DEADLINE_MS,
      what: `difference ${count}`,
    });
  await found(1);
  const { what, name, ledger, store } = worker.logged("store and ledger differ")[0] ?? {};
  assert.deepEqual([what, name, ledger, store], ["stock", "sku", "1000+0", "1009+0"]);
  const ready = await api.get("/readyz");
  assert.equal(ready.status, 200);
  assert.match(JSON.stringify(ready.body), /store and ledger of shard 0 agree: 1 difference/);
  assert.match((await inventory(here.env, "doctor")).out, /reconciliation +off +store and ledger differ/);
  await runSection(here, "ReconcileDifference", "Look first", {}, {
    "deno task inventory status": { says: /differences/ },
    "deno task inventory reconcile": { code: 1, says: /stock +sku +1000\+0 +1009\+0/ },
    "deno task inventory verify": { says: /The ledger is whole/ },
  });
  await runSection(here, "ReconcileDifference", "Redis was changed", {});
  assert.equal((await inventory(here.env, "reconcile")).code, 0);

  const agreed = () => worker.logged("store and ledger agree again").length;
  await withConnection(databaseUrl, (sql) => sql`update inventory.stock set available = 5`);
  await found(2);
  await runSection(here, "ReconcileDifference", "The ledger was changed", { "who changed what": "psql" });
  await waitFor(() => agreed() > 0, { deadlineMs: RECONCILED_DEADLINE_MS, what: "both sides agree again" });

  await withConnection(databaseUrl, (sql) => sql.unsafe(forgedMovement));
  await found(3);
  const forged = worker.logged("store and ledger differ")[2];
  assert.deepEqual([forged?.what, forged?.name], ["movements", "sku"]);
  await runSection(here, "ReconcileDifference", "The ledger was changed", { "who changed what": "a forger" });
  await waitFor(() => agreed() > 1, {
    deadlineMs: RECONCILED_DEADLINE_MS,
    what: "movements that add up again",
  });
  assert.match((await inventory(here.env, "verify")).out, /The ledger is whole/);

  for (const order of ["o-0", "o-1", "o-2"]) assert.equal(await buy(here, order), 200);
  await drained(here);
  await redis.cli("EVAL", alterEntry, "1", "{inventory:0}:events");
  await found(4);
  const altered = worker.logged("store and ledger differ")[3];
  assert.equal(altered?.what, "log");
  await runSection(here, "ReconcileDifference", "The log was changed", {});
  await waitFor(async () => {
    const { shards } = JSON.parse((await inventory(here.env, "status", "--json")).out);
    return shards[0].differences === 0 && shards[0].reconciled !== null;
  }, { deadlineMs: RECONCILED_DEADLINE_MS, what: "a log that agrees again" });
  await runSection(here, "ReconcileLate", "Look first", {});
  await runSection(here, "ReconcileLate", "Do", {});
  assert.equal(await buy(here, "o-3"), 200);
  assert.equal((await inventory(here.env, "verify")).code, 0);
});

Deno.test("runbooks: a log that was trimmed before it was applied is named, and recovered from the store", async () => {
  await using here = await fixture();
  const { redis, stack } = here;
  await stockUp(here, 1000);
  await drained(here);
  await stack.worker.stop();
  assert.equal(await buy(here, "o-1"), 200);
  assert.equal(await buy(here, "o-2"), 200);
  await redis.cli("XTRIM", "{inventory:0}:events", "MAXLEN", "0");
  await redis.cli("HDEL", META, "armed");
  await using _worker = await Service.start("worker", here.env);
  await runSection(here, "ShardUnarmed", "Look first", {}, { "": { code: 1 } });
  const { code, out, err } = await inventory(here.env, "reconcile");
  assert.equal(code, 1);
  assert.match(out + err, /events 2 to 3 are neither in the ledger nor in the log/);
  await runSection(here, "ShardUnarmed", "Numbers are missing", { why: "trimmed by hand", count: "2" });
  assert.equal(await buy(here, "o-3"), 200);
});

Deno.test("runbooks: a ledger of an older copy, whose log is gone, is recovered from the store", async () => {
  await using here = await fixture();
  const { redis, databaseUrl } = here;
  await stockUp(here, 1000);
  await drained(here);
  await backUp(databaseUrl);
  const fills = { why: "the backup of the night", count: "1" };
  await waitFor(async () => await buy(here, "o-1") === 200, { deadlineMs: DEADLINE_MS, what: "a sale" });
  await drained(here);
  await redis.cli("XTRIM", "{inventory:0}:events", "MAXLEN", "0");
  await restore(databaseUrl);
  await untilRefused(here);
  await runSection(here, "ShardUnarmed", "Look first", {}, { "": { code: 1 } });
  await runSection(here, "LedgerDrift", "Numbers are missing", fills);
  assert.equal(JSON.parse((await inventory(here.env, "stock", "sku", "--json")).out).available, 999);
  assert.equal(await buy(here, "o-2"), 200);
});
