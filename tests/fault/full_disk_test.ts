/**
 * PostgreSQL on a disk that is full: ENOSPC of a real file system, SQLSTATE 53100. Needs Linux and root, as tests/net does.
 */
import assert from "node:assert/strict";
import { runCommand } from "../../tools/servers/command.ts";
import { withConnection } from "../../tools/servers/database.ts";
import { folderFor, type PostgresServer, startPostgres, unprivileged } from "../../tools/servers/postgres.ts";
import { startRedis } from "../../tools/servers/redis.ts";
import { stockUp } from "../system/ledger_audit.ts";
import { json } from "../system/command_line.ts";
import { startStack } from "../system/stack.ts";
import { drained, queryNumber, saying } from "./fault_probe.ts";

const REFUSING = "ledger refuses writes, selling continues";
const BACKLOG_MAX = 500;
const DEADLINE_MS = 60_000;

/** A disk in the mount namespace of one PostgreSQL, which ends with it: nothing stays mounted. */
interface SmallDisk extends AsyncDisposable {
  readonly postgres: PostgresServer;
  /** Of a database whose tables and indexes are on the disk; WAL is elsewhere, so the server stays up. */
  readonly databaseUrl: string;
  /** Leaves no free block. */
  fill(): Promise<unknown>;
  enlarge(): Promise<unknown>;
}

async function startOnSmallDisk(): Promise<SmallDisk> {
  const account = await unprivileged();
  const folder = await folderFor(account, "small-disk");
  const mount =
    `mount -t tmpfs -o size=32m,mode=0700,uid=${account.uid},gid=${account.gid} small-disk ${folder} && ` +
    `exec setpriv --reuid=${account.uid} --regid=${account.gid} --clear-groups "$0" "$@"`;
  const postgres = await startPostgres({
    host: {
      address: "127.0.0.1",
      command: (program, args) => ({
        command: "unshare",
        args: ["--mount", "--", "sh", "-c", mount, program, ...args],
      }),
    },
  });
  await withConnection(postgres.url, async (sql) => {
    await sql.unsafe(`create tablespace small location '${folder}'`);
    await sql.unsafe("create database shop tablespace small");
  });
  const inside = (script: string) =>
    runCommand("nsenter", [`--mount=/proc/${postgres.pid}/ns/mnt`, "--", "sh", "-c", script], {
      deadlineMs: DEADLINE_MS,
    });
  return {
    postgres,
    databaseUrl: postgres.url.replace(/postgres$/, "shop"),
    fill: () => inside(`dd if=/dev/zero of=${folder}/filler bs=8k 2>&1 || true`),
    enlarge: () => inside(`mount -o remount,size=128m ${folder}`),
    [Symbol.asyncDispose]: () => postgres[Symbol.asyncDispose](),
  };
}

Deno.test("a full disk of PostgreSQL: selling goes on to BACKLOG_MAX, the worker names it, and all is applied when there is room", async () => {
  await using redis = await startRedis();
  await using disk = await startOnSmallDisk();
  const { databaseUrl } = disk;
  const environment = { BACKLOG_MAX: String(BACKLOG_MAX), USER_LIMIT_MS: "0" };
  await using stack = await startStack({ redisUrl: redis.url, databaseUrl, env: environment });
  const { api, worker } = stack;
  await stockUp(api, new Map([["sku", 10_000]]));
  await drained(redis);
  let count = 0;
  const sell = async (orders: number) => {
    const ids = Array.from({ length: orders }, () => `order-${count++}`);
    const answers = await Promise.all(
      ids.map((order_id) =>
        api.post("/api/v1/inventory/deduct", { sku: "sku", user_id: "user", order_id, amount: 1 })
      ),
    );
    return answers.map(({ status, body }) => status === 200 ? "sold" : String(body.code));
  };

  await disk.fill();
  const outcomes = await sell(BACKLOG_MAX);
  await saying(worker, "the refusal", () => worker.logged(REFUSING).length > 0);
  assert.match(String(worker.logged(REFUSING)[0]?.why), /No space left on device.*53100/);
  while (!outcomes.includes("backlog_full")) outcomes.push(...await sell(100));
  assert.deepEqual(new Set(outcomes), new Set(["sold", "backlog_full"]));
  const sold = outcomes.filter((outcome) => outcome === "sold").length;
  assert.ok(sold >= BACKLOG_MAX, `only ${sold} were sold`);

  // As docs/operate/PostgresDiskLow.md has it: look whether the lag grows, enlarge the disk.
  const env = { REDIS_URL: redis.url, DATABASE_URL: databaseUrl, ...environment };
  const { shards: [shard] } = await json(env, 0, "status") as { shards: { lag: number }[] };
  assert.ok(shard && shard.lag > 0, JSON.stringify(shard));
  assert.equal(worker.logged("shard interrupted").length, 0, worker.output());

  await disk.enlarge();
  await drained(redis, DEADLINE_MS);
  assert.equal(await queryNumber(databaseUrl, "select count(*) from inventory.order_lines"), sold);
  assert.deepEqual(await sell(1), ["sold"]);
  assert.equal(worker.logged("shard armed").length, 1, "no arming was needed");
  assert.equal(worker.logged(REFUSING).length, 1, "said once, then once a minute");
  await drained(redis, DEADLINE_MS);
  await json(env, 0, "verify");
});
