/**
 * PostgreSQL and SQLite hear the same, and must say the same: the texts of their statements have nothing in common.
 */
import assert from "node:assert/strict";
import { LeaseLost } from "../../src/domain/errors.ts";
import type { Queries } from "../../src/ledger/database.ts";
import type { Ledger } from "../../src/ledger/ledger.ts";
import { openPostgres } from "../../src/ledger/postgres/server.ts";
import { openLedger } from "../../src/ledger/postgres/ledger.ts";
import { ledgerFile, openSqliteLedger } from "../../src/ledger/sqlite/ledger.ts";
import { realWorld as world } from "../../src/runtime/world.ts";
import { sharedPostgres } from "../../tools/servers/shared.ts";
import { waitFor } from "../../tools/servers/wait.ts";
import { leased } from "./ledger_fixture.ts";
import { actionsOf } from "./random_ledger_run.ts";
import { shards, type Side } from "./random_baskets.ts";
import { openByHand } from "./sqlite_dialect.ts";

async function sideOf(ledger: Ledger, database: Queries): Promise<Side> {
  await ledger.prepare(shards.length);
  return { ledger, database, shards: await Promise.all(shards.map((shard) => leased(ledger, shard))) };
}

/** A session that is silent for 3 s has lost its lease, and a step on a busy machine takes its time. */
async function renewLeases({ ledger, shards }: Side): Promise<void> {
  await Promise.all(shards.map(async (shard, i) => {
    const isLost = await shard.beat().then(() => false, (error) => error instanceof LeaseLost);
    if (!isLost) return;
    const take = async () => (shards[i] = await ledger.lease(i) ?? shard) !== shard;
    await waitFor(take, { deadlineMs: 60_000, what: `the lease of shard ${i}` });
  }));
}

/** Does one after the other on both, and compares what they say and what they have. */
async function agree([postgres, sqlite]: readonly [Side, Side], seed: number, steps: number): Promise<void> {
  let renewedMs = 0;
  for (const { what, run } of actionsOf(seed, steps)) {
    if (performance.now() - renewedMs > 300) {
      await renewLeases(postgres);
      renewedMs = performance.now();
    }
    const [expected, actual] = await Promise.all(
      [postgres, sqlite].map((side) => run(side).catch((error: Error) => error.name)),
    );
    assert.deepEqual(actual, expected, `seed ${seed}: SQLite says something else of ${what}`);
  }
}

Deno.test("PostgreSQL and SQLite have the same after the same, and say the same of it", async () => {
  const url = await sharedPostgres().freshDatabase();
  for (const seed of [1, 2]) {
    const namespace = `agree_${seed}`;
    const database = openPostgres({ url, namespace, applicationName: "holdfast-test", world });
    const folder = await Deno.makeTempDir({ prefix: "holdfast-ledger-" });
    const sqlite = await openSqliteLedger({ folder, namespace, world });
    const file = openByHand(ledgerFile(folder));
    const postgres = await openLedger(database, world);
    try {
      await agree([await sideOf(postgres, database), await sideOf(sqlite, file)], seed, 100);
    } finally {
      await Promise.all([postgres.close(), sqlite.close().finally(() => file.close())]);
      await Deno.remove(folder, { recursive: true });
    }
  }
});
