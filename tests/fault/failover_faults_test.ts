/**
 * A sale while a server is replaced by its copy: a Redis whose clock is an hour off, a PostgreSQL that lacks commits.
 */
import assert from "node:assert/strict";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { runCommand } from "../../tools/servers/command.ts";
import { withConnection } from "../../tools/servers/database.ts";
import { programOf } from "../../tools/servers/install.ts";
import { folderFor, PostgresServer, startPostgres, unprivileged } from "../../tools/servers/postgres.ts";
import { startRedis } from "../../tools/servers/redis.ts";
import { waitFor } from "../../tools/servers/wait.ts";
import { json } from "../system/command_line.ts";
import { Service } from "../system/stack.ts";
import { follow, startAhead } from "./faked_clock.ts";
import { startForwarder } from "./forwarder.ts";
import { note } from "./fault_scenario.ts";
import { Sale } from "./sale.ts";
import { isLong, trial } from "./trial.ts";

const STEP_DEADLINE_MS = 60_000;
/** A worker verifies and arms within 2 s; a busy machine takes longer. */
const ARMED_MAX_MS = 15_000;
const ENV = { USER_LIMIT_MS: "0", REQUEST_TIMEOUT_MS: "1000" };
const SKUS = ["one", "two", "three"];

Deno.test("failover: to a Redis whose clock is an hour ahead, or behind, and back: nothing is lost, and it sells soon", async () => {
  for (const seconds of [3_600, -3_600]) {
    await using right = await startRedis({ flavour: "valkey" });
    await using wrong = await startAhead(seconds, right);
    await using forwarder = startForwarder(right.port);
    await using postgres = await startPostgres();
    const databaseUrl = await postgres.freshDatabase();
    // After a failover there is no replica: nothing is waited for after as long.
    const env = { REDIS_URL: forwarder.url, REPLICA_TIMEOUT_MS: "3000", ...ENV };
    await using _worker = await Service.start("worker", { ...env, DATABASE_URL: databaseUrl });
    await using api = await Service.start("api", env);
    await api.ready(STEP_DEADLINE_MS);
    await using sale = await Sale.open({ apis: [api], databaseUrl, skus: SKUS });
    await follow(wrong, right);
    const ahead = seconds > 0 ? "ahead" : "behind";
    const bounds = { forMs: 0, acceptedMin: 0.02, pauseMaxMs: ARMED_MAX_MS };
    await trial(sale, "Failover", {
      what: `of Redis to a replica whose clock is an hour ${ahead}`,
      async strike() {
        await right.kill();
        await wrong.cli("REPLICAOF", "NO", "ONE");
        forwarder.redirect(wrong.port);
      },
      ...bounds,
    });
    await right.start();
    await follow(right, wrong);
    await trial(sale, "Failover", {
      what: `back from a clock that was an hour ${ahead}`,
      async strike() {
        await wrong.kill();
        await right.cli("REPLICAOF", "NO", "ONE");
        forwarder.redirect(right.port);
      },
      ...bounds,
    });
  }
});

/** A copy that follows by streaming and is not waited for. */
async function startStandby(primary: PostgresServer): Promise<PostgresServer> {
  const account = await unprivileged();
  const dir = await folderFor(account, "postgres-standby");
  const from = ["-h", "127.0.0.1", "-p", String(primary.port), "-U", "postgres", "-D", dir];
  // PATH may have links to a few of its programs.
  const bin = dirname(await Deno.realPath(programOf("postgres", "postgres")));
  await runCommand(`${bin}/pg_basebackup`, [...from, "-R", "--checkpoint=fast"], {
    ...account,
    deadlineMs: STEP_DEADLINE_MS,
  });
  const standby = new PostgresServer([], dir, account);
  await standby.start();
  return standby;
}

Deno.test("failover: to a PostgreSQL standby that lacks commits: they come from the log, or are recovered by their count", async () => {
  await using redis = await startRedis();
  await using primary = await startPostgres();
  const database = new URL(await primary.freshDatabase());
  await using standby = await startStandby(primary);
  await using forwarder = startForwarder(primary.port);
  database.port = String(forwarder.port);
  const databaseUrl = database.href;
  const env = { REDIS_URL: redis.url, DATABASE_URL: databaseUrl, ...ENV };
  await using worker = await Service.start("worker", env);
  await using api = await Service.start("api", { REDIS_URL: redis.url, ...ENV });
  await api.ready(STEP_DEADLINE_MS);
  await using sale = await Sale.open({ apis: [api], databaseUrl, skus: SKUS });
  const movements = (url = databaseUrl) =>
    withConnection(url, async (sql) => {
      const [row] = await sql`select count(*)::int as count from inventory.movements`;
      return Number(row?.count);
    });
  const forMs = isLong ? 10_000 : 2_000;
  await trial(sale, "Failover", {
    what: `of PostgreSQL to a standby that lacks the commits of ${forMs / 1000} s`,
    async strike() {
      const before = await movements();
      database.port = String(standby.port);
      const lacksNothing = async () => await movements(database.href) >= before;
      await waitFor(lacksNothing, {
        deadlineMs: STEP_DEADLINE_MS,
        what: "a standby that has all until then",
      });
      await standby.kill();
      const stopped = await movements();
      await sleep(forMs);
      const goesOn = async () => await movements() > stopped;
      await waitFor(goesOn, { deadlineMs: STEP_DEADLINE_MS, what: "commits that the standby lacks" });
      const had = await movements();
      await primary.kill();
      await standby.start();
      forwarder.redirect(standby.port);
      const has = await movements();
      await withConnection(databaseUrl, (sql) => sql`select pg_promote()`);
      note(`the standby lacked ${had - has} movements`);
      assert.ok(
        has >= before && has < had,
        `it has ${has} of ${had} movements, ${before} before it was stopped`,
      );
      await untilWhole(worker, sale, env);
    },
    forMs: 0,
    ...{ acceptedMin: 0.2, pauseMaxMs: STEP_DEADLINE_MS },
  });
});

/** Sells again by itself, or after an operator has accepted what is in neither log nor ledger. */
async function untilWhole(worker: Service, sale: Sale, env: Record<string, string>): Promise<void> {
  const fromMs = performance.now();
  const armed = worker.logged("shard armed").length;
  let lost: string | undefined;
  await waitFor(() => {
    const refused = worker.logged("shard refused").map(({ reason }) => String(reason));
    lost = refused.map((reason) => /(\d+) numbers, .* are neither/.exec(reason)?.[1]).at(-1);
    return lost !== undefined || worker.logged("shard armed").length > armed;
  }, { deadlineMs: STEP_DEADLINE_MS, what: "a verdict on the ledger" });
  if (lost !== undefined) {
    await json(env, 0, "recover", "--reason", "a standby lacked commits", "--lost", lost);
  }
  await sale.allSell(STEP_DEADLINE_MS);
  note(
    `${lost ?? 0} numbers recovered by an operator, selling after ${
      Math.round(performance.now() - fromMs)
    } ms`,
  );
}
