/**
 * A sale while its servers do what real ones do: a disk is full, a script does not end, an append-only file is loaded or
 * rewritten, a replica is filled, replies end in the middle, transactions wait for each other.
 */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import type { Sql } from "postgres";
import { startProxy } from "../../tools/proxy.ts";
import { runCommand } from "../../tools/servers/command.ts";
import { withConnection } from "../../tools/servers/database.ts";
import { startPostgres } from "../../tools/servers/postgres.ts";
import { type RedisServer, startRedis } from "../../tools/servers/redis.ts";
import { dataDir } from "../../tools/servers/run_folder.ts";
import { waitFor } from "../../tools/servers/wait.ts";
import { Service } from "../system/stack.ts";
import { cursorOf, headOf } from "./fault_probe.ts";
import { Sale } from "./sale.ts";
import { isLong, trial } from "./trial.ts";

const STEP_DEADLINE_MS = 60_000;
const FOR_MS = isLong ? 10_000 : 2_000;
const TIMES = isLong ? 5 : 1;
/** While Redis is away nothing is sold: what is left is the time until it is noticed, and after it. */
const AWAY_ACCEPTED_MIN = isLong ? 0.005 : 0.05;
/** A worker verifies and arms within 2 s; a busy machine takes longer. */
const ARMED_MAX_MS = 12_000;
/** A client that waited for an answer asks again after a second at the latest. */
const AWAY_MAX_MS = 5_000;
/** Of each command in the append-only file: seconds for what was sold until then; more if it was little. */
const LOAD_DELAY_US = 1_000;
const LOADING_MIN_S = 1;
const ENV = { USER_LIMIT_MS: "0", REQUEST_TIMEOUT_MS: "1000" };
const SKUS = ["one", "two", "three"];
const ORDERS = "{inventory:0}:orders:0";

/** A Redis whose append-only file is on a disk of its own, in a mount namespace that ends with the process. */
interface DiskRedis extends AsyncDisposable {
  readonly redis: RedisServer;
  /** Leaves no free block. */
  fill(): Promise<void>;
  /** Removes what fills it. */
  empty(): Promise<void>;
  /** Settings of the next start. */
  configure(lines: string): Promise<void>;
}

async function startOnSmallDisk(): Promise<DiskRedis> {
  const disk = await dataDir("redis-disk");
  const settings = `${await dataDir("redis-settings")}/more.conf`;
  await Deno.writeTextFile(settings, "");
  await runCommand("mount", ["-t", "tmpfs", "-o", "size=256m", "redis-disk", disk], {
    deadlineMs: STEP_DEADLINE_MS,
  });
  const redis = await startRedis({
    args: ["--dir", disk, "--busy-reply-threshold", "200", "--include", settings],
  });
  const filler = `${disk}/filler`;
  return {
    redis,
    async fill() {
      // dd ends with an error, as there is no space left: that is what it is for.
      await runCommand("dd", ["if=/dev/zero", `of=${filler}`, "bs=64k"], { deadlineMs: STEP_DEADLINE_MS })
        .catch(() => {});
    },
    empty: () => Deno.remove(filler),
    configure: (lines) => Deno.writeTextFile(settings, lines),
    async [Symbol.asyncDispose]() {
      await redis[Symbol.asyncDispose]();
      await runCommand("umount", ["--lazy", disk], { deadlineMs: STEP_DEADLINE_MS });
    },
  };
}

/** Waits until a process has ended by itself, and clears it away for its next start. */
async function untilEnded(redis: RedisServer): Promise<void> {
  const { pid } = redis;
  await waitFor(() => Deno.readTextFile(`/proc/${pid}/stat`).then((stat) => / Z /.test(stat), () => true), {
    deadlineMs: STEP_DEADLINE_MS,
    what: "a Redis that ends on a full disk",
  });
  await redis.kill();
}

Deno.test("real faults: Redis throws, is full, busy, loading, rewriting, resyncing, and its replies end in the middle", async () => {
  await using disk = await startOnSmallDisk();
  const { redis } = disk;
  await using proxy = startProxy(redis.port);
  await using postgres = await startPostgres();
  const databaseUrl = await postgres.freshDatabase();
  await using _worker = await Service.start("worker", {
    REDIS_URL: redis.url,
    DATABASE_URL: databaseUrl,
    ...ENV,
  });
  await using api = await Service.start("api", { REDIS_URL: `redis://127.0.0.1:${proxy.port}`, ...ENV });
  await api.ready(STEP_DEADLINE_MS);
  await using sale = await Sale.open({ apis: [api], databaseUrl, skus: SKUS });
  const group = "Redis";

  await trial(sale, group, {
    what: `an order on which the script throws is sent again and again, ${FOR_MS / 1000} s`,
    async strike() {
      // A remembered order that cannot be unpacked.
      await redis.cli("EVAL", "redis.call('HSET', KEYS[1], ARGV[1], '\\193\\255')", "1", ORDERS, "poison");
      const order = { order_id: "poison", user_id: "poison", sku: SKUS[0], amount: 1 };
      for (const untilMs = performance.now() + FOR_MS; performance.now() < untilMs;) {
        const { status, body } = await api.post("/api/v1/inventory/deduct", order);
        assert.deepEqual([status, body.code], [503, "store_unavailable"]);
      }
    },
    forMs: 0,
    heal: () => redis.cli("HDEL", ORDERS, "poison"),
    ...{ acceptedMin: 0.2, pauseMaxMs: AWAY_MAX_MS },
  });
  await trial(sale, group, {
    what: `BUSY with a script that does not end, ${FOR_MS / 1000} s`,
    async strike() {
      void redis.cli("EVAL", "while true do end", "0").catch(() => {});
      await waitFor(() => redis.cli("PING").then(() => false, (error) => /BUSY/.test(String(error))), {
        deadlineMs: STEP_DEADLINE_MS,
        what: "BUSY",
      });
    },
    forMs: FOR_MS,
    heal: () => redis.cli("SCRIPT", "KILL"),
    times: TIMES,
    ...{ acceptedMin: AWAY_ACCEPTED_MIN, pauseMaxMs: FOR_MS + AWAY_MAX_MS },
  });
  await trial(sale, group, {
    what: `maxmemory reached, ${FOR_MS / 1000} s`,
    strike: () => redis.cli("CONFIG", "SET", "maxmemory", "1mb"),
    forMs: FOR_MS,
    heal: () => redis.cli("CONFIG", "SET", "maxmemory", "0"),
    times: TIMES,
    ...{ acceptedMin: AWAY_ACCEPTED_MIN, pauseMaxMs: FOR_MS + AWAY_MAX_MS },
  });
  await trial(sale, group, {
    what: "the append-only file is rewritten",
    async strike() {
      await redis.cli("BGREWRITEAOF");
      await waitFor(async () => {
        const info = await redis.cli("INFO", "persistence");
        return info.includes("aof_rewrite_in_progress:0") && info.includes("aof_rewrite_scheduled:0");
      }, { deadlineMs: STEP_DEADLINE_MS, what: "a rewritten file" });
    },
    forMs: 0,
    times: 2 * TIMES,
    ...{ acceptedMin: 0.4, pauseMaxMs: AWAY_MAX_MS },
  });
  await trial(sale, group, {
    what: "a reply ends in its middle",
    async strike() {
      const before = proxy.strikes;
      proxy.cutReplies(1, { containing: "EVALSHA", after: 20 });
      await waitFor(() => proxy.strikes > before, { deadlineMs: STEP_DEADLINE_MS, what: "a reply" });
    },
    forMs: 0,
    times: 5 * TIMES,
    ...{ acceptedMin: 0.2, pauseMaxMs: AWAY_MAX_MS },
  });
  await trial(sale, group, {
    what: "killed, and LOADING for seconds",
    async strike() {
      const loadedS = () =>
        Number(
          /DB loaded from append only file: ([\d.]+) seconds/.exec(redis.output())?.[1] ?? assert.fail(),
        );
      for (let [delayUs, seconds] = [LOAD_DELAY_US, 0]; seconds < LOADING_MIN_S; delayUs *= 4) {
        await redis.kill();
        await disk.configure(`key-load-delay ${delayUs}\n`);
        await redis.start();
        await disk.configure("");
        seconds = loadedS();
      }
      await redis.cli("CONFIG", "SET", "key-load-delay", "0");
    },
    forMs: 0,
    ...{ acceptedMin: 0.02, pauseMaxMs: STEP_DEADLINE_MS },
  });
  await trial(sale, group, {
    what: `no space for the append-only file, ${FOR_MS / 1000} s`,
    async strike() {
      await disk.fill();
      await untilEnded(redis);
    },
    forMs: FOR_MS,
    async heal() {
      await disk.empty();
      await redis.start();
    },
    times: TIMES,
    ...{ acceptedMin: AWAY_ACCEPTED_MIN, pauseMaxMs: FOR_MS + ARMED_MAX_MS },
  });
  await using replica = await startRedis({ args: ["--replicaof", `127.0.0.1 ${redis.port}`] });
  await waitFor(async () => (await redis.cli("INFO", "replication")).includes("state=online"), {
    deadlineMs: STEP_DEADLINE_MS,
    what: "a replica that follows",
  });
  await trial(sale, group, {
    what: "a replica is killed and filled again from the start",
    async strike() {
      await replica.kill();
      await replica.start();
      await waitFor(async () => (await redis.cli("INFO", "replication")).includes("state=online"), {
        deadlineMs: STEP_DEADLINE_MS,
        what: "a replica that follows again",
      });
    },
    forMs: 0,
    times: 2 * TIMES,
    ...{ acceptedMin: 0.1, pauseMaxMs: ARMED_MAX_MS },
  });
});

/** Locks a table of the ledger while `during` runs. */
async function lockFor(sql: Sql, table: string, during: () => Promise<unknown>): Promise<void> {
  await sql.begin(async (tx) => {
    await tx.unsafe(`lock table inventory.${table} in access exclusive mode`);
    await during();
  });
}

const STATEMENT_TIMEOUT_MS = 200;
/** Each session that applies a batch has a short limit from its next statement on. */
const SHORT_STATEMENTS = `
  create or replace function inventory.short_statements() returns trigger language plpgsql as $$
  begin
    perform set_config('statement_timeout', '${STATEMENT_TIMEOUT_MS}', false);
    return null;
  end $$;
  create trigger short_statements after insert on inventory.movements
    for each statement execute function inventory.short_statements()`;

/** What a database does that lacks a character. */
const REFUSING = `
  create function inventory.refuse() returns trigger language plpgsql as $$
  begin
    if new::text ~ '[^\\x01-\\x7f]' then
      raise exception 'character has no equivalent' using errcode = '22P05';
    end if;
    return new;
  end $$;
  create trigger refuse before insert on inventory.movements for each row execute function inventory.refuse()`;

Deno.test("real faults: PostgreSQL has deadlocks, locks that last, statements that time out, events that it refuses, replies that end in the middle", async () => {
  await using redis = await startRedis();
  await using postgres = await startPostgres({ args: ["-c", "deadlock_timeout=100ms"] });
  await using proxy = startProxy(postgres.port);
  const databaseUrl = await postgres.freshDatabase();
  const url = new URL(databaseUrl);
  url.port = String(proxy.port);
  await using worker = await Service.start("worker", {
    REDIS_URL: redis.url,
    DATABASE_URL: url.href,
    ...ENV,
  });
  await using api = await Service.start("api", { REDIS_URL: redis.url, ...ENV });
  await api.ready(STEP_DEADLINE_MS);
  await using sale = await Sale.open({ apis: [api], databaseUrl, skus: SKUS });
  const group = "PostgreSQL";
  await withConnection(databaseUrl, async (sql) => {
    const deadlocks = async () => {
      const [row] =
        await sql`select deadlocks::int as count from pg_stat_database where datname = current_database()`;
      return Number(row?.count);
    };
    await trial(sale, group, {
      what: "a deadlock with another session",
      async strike() {
        const before = await deadlocks();
        // The worker locks the cursor first; a session that locks the stock first and then the cursor waits in a circle.
        await waitFor(async () => {
          await sql.begin(async (tx) => {
            await tx`select * from inventory.stock for update`;
            await sleep(50);
            await tx`select * from inventory.log_cursor for update`;
          }).catch((error) => assert.match(String(error), /deadlock|lock timeout|statement timeout/));
          await sql`select pg_stat_clear_snapshot()`;
          return await deadlocks() > before;
        }, { deadlineMs: STEP_DEADLINE_MS, what: "a deadlock" });
      },
      forMs: 0,
      times: 3 * TIMES,
      ...{ acceptedMin: 0.3, pauseMaxMs: AWAY_MAX_MS },
    });
    const forMs = isLong ? 60_000 : 11_000; // longer than the worker's lock_timeout (10 s)
    await trial(sale, group, {
      what: `the movements are locked for longer than lock_timeout, ${forMs / 1000} s`,
      strike: () => lockFor(sql, "movements", () => sleep(forMs)),
      forMs: 0,
      ...{ acceptedMin: 0.4, pauseMaxMs: AWAY_MAX_MS },
    });
    assert.match(postgres.output(), /canceling statement due to lock timeout/);
    await trial(sale, group, {
      what: `the stock is locked, and statement_timeout is ${STATEMENT_TIMEOUT_MS} ms, ${FOR_MS / 1000} s`,
      async strike() {
        // The worker's sessions have a limit of their own, which only the session itself can lower.
        await sql.unsafe(SHORT_STATEMENTS);
        const head = await headOf(redis) + 1;
        await waitFor(async () => await cursorOf(sql) > head, {
          deadlineMs: STEP_DEADLINE_MS,
          what: "a batch after which the session has it",
        });
        await lockFor(sql, "stock", () => sleep(FOR_MS));
        await sql.unsafe(`drop trigger short_statements on inventory.movements`);
        assert.match(postgres.output(), /canceling statement due to statement timeout/);
        // A new session has the worker's limit again.
        await sql`select pg_terminate_backend(pid) from pg_stat_activity
          where application_name like ${`%:${worker.pid}@%`}`;
      },
      forMs: 0,
      ...{ acceptedMin: 0.4, pauseMaxMs: AWAY_MAX_MS },
    });
    await sql.unsafe(REFUSING);
    await trial(sale, group, {
      what: "an event that PostgreSQL refuses",
      async strike() {
        const id = crypto.randomUUID();
        const poison = { adjustment_id: id, delta: 0, reason: "日本" };
        const { status } = await api.post(`/api/v1/inventory/${SKUS[0]}/adjustments`, poison);
        assert.equal(status, 200);
        // Its movement is applied in ASCII, and an operator looks at the event.
        let letters: Record<string, string>[] = [];
        await waitFor(async () => {
          letters = await sql`delete from inventory.dead_letters returning event->>'id' as id, reason`;
          return letters.length > 0;
        }, { deadlineMs: STEP_DEADLINE_MS, what: "a dead letter" });
        assert.deepEqual(letters.map((letter) => letter.id), [id]);
        assert.match(String(letters[0]?.reason), /no equivalent; applied in ASCII/);
      },
      forMs: 0,
      times: 3 * TIMES,
      ...{ acceptedMin: 0.4, pauseMaxMs: AWAY_MAX_MS },
    });
    await trial(sale, group, {
      what: "a reply to the worker ends in its middle",
      async strike() {
        const before = proxy.strikes;
        proxy.cutReplies(1, { after: 3 });
        await waitFor(() => proxy.strikes > before, { deadlineMs: STEP_DEADLINE_MS, what: "a reply" });
      },
      forMs: 0,
      times: 10 * TIMES,
      ...{ acceptedMin: 0.3, pauseMaxMs: AWAY_MAX_MS },
    });
  });
});
