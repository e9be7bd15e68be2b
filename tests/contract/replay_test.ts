/**
 * The ledger is the whole truth: replaying a shard's log into the ledger gives the same stock, and a store that
 * is filled from that ledger goes on as the first one would have, answer by answer.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Command } from "../../src/domain/command.ts";
import type { StockStore } from "../../src/decide/store.ts";
import type { Deployment, Ledger, ShardLedger } from "../../src/ledger/ledger.ts";
import { openPostgres } from "../../src/ledger/postgres/server.ts";
import { openLedger } from "../../src/ledger/postgres/ledger.ts";
import { openSqliteLedger } from "../../src/ledger/sqlite/ledger.ts";
import { say } from "../../src/runtime/lifecycle.ts";
import { rebuild } from "../../src/worker/rebuild.ts";
import { realWorld as world } from "../../src/runtime/world.ts";
import { withConnection } from "../../tools/servers/database.ts";
import { freshNamespace, sharedPostgres, sharedRedis } from "../../tools/servers/shared.ts";
import { anyBatches, runSeed } from "./commands.ts";
import { timeless } from "./oracle.ts";
import { armEmpty, decide, readAll, type StoreUnderTest } from "./store_suite.ts";
import { makeMemoryStore, makeRedisStore } from "./stores.ts";
import { shrunkCaseFirst } from "../random.ts";

interface LedgerUnderTest extends AsyncDisposable {
  readonly ledger: Ledger;
  readonly shard: ShardLedger;
  readonly deployment: Deployment;
}

async function prepared(ledger: Ledger, remove: () => Promise<unknown>): Promise<LedgerUnderTest> {
  const deployment = await ledger.prepare(1);
  const shard = await ledger.lease(0) ?? assert.fail("the lease is taken");
  return {
    ledger,
    shard,
    deployment,
    async [Symbol.asyncDispose]() {
      await ledger.close();
      await remove();
    },
  };
}

/** Tables whose rows are of the schema, and not of what was applied. */
const OF_SCHEMA = ["migrations", "deployment", "movement_ranges"];

/** Removes all that was applied: a new schema for each run takes most of the time of a run. */
async function emptyLedger(url: string, namespace: string): Promise<void> {
  await withConnection(url, (sql) =>
    sql.begin(async (tx) => {
      const tables = await tx`select table_name as name from information_schema.tables
        where table_schema = ${namespace} and table_name <> all(${OF_SCHEMA})`;
      await tx`set local session_replication_role = replica`; // movements only grow, says a trigger
      await tx.unsafe(`truncate ${tables.map(({ name }) => `${namespace}.${name}`).join()}`);
    }));
}

/** Ledgers that a store is filled from. Each call of what is made gives an empty one, one after the other. */
const ledgers: Readonly<Record<string, () => Promise<() => Promise<LedgerUnderTest>>>> = {
  async PostgreSQL() {
    const url = await sharedPostgres().freshDatabase();
    const namespace = freshNamespace();
    return async () => {
      const database = openPostgres({ url, namespace, applicationName: "test", world });
      return await prepared(await openLedger(database, world), () => emptyLedger(url, namespace));
    };
  },
  SQLite() {
    return Promise.resolve(async () => {
      const folder = await Deno.makeTempDir({ prefix: "holdfast-ledger-" });
      return await prepared(
        await openSqliteLedger({ folder, namespace: "inventory", world }),
        () => Deno.remove(folder, { recursive: true }),
      );
    });
  },
};

function bySku<T extends { sku: string }>(rows: readonly T[]): T[] {
  return [...rows].sort((a, b) => (a.sku < b.sku ? -1 : 1));
}

async function allStock({ control }: StoreUnderTest) {
  return bySku((await control.stock(0, "0")).rows);
}

function withoutLedger(command: Command): Command {
  return command.kind === "return" ? { ...command, ledger: null } : command;
}

/** A store that was filled has forgotten all before, so it asks for the ledger's word as the service gives it. */
async function decideWithLedger(store: StockStore, command: Command, ledger: Ledger) {
  const [outcome] = await decide(store, command);
  if (outcome?.kind === "order") return { ...outcome, forgottenSeq: 0 };
  if (outcome?.kind !== "forgotten" || command.kind !== "return") return outcome;
  const { lines: sold, appliedSeqs } = await ledger.findOrder(command.orderId);
  const returned = await ledger.findReturn(command.orderId, command.returnId);
  const [again] = await decide(store, {
    ...command,
    ledger: { appliedSeq: appliedSeqs.get(0) ?? 0, sold, returned },
  });
  return again;
}

/** Restored in all runs, or they have shown nothing. */
const LINES_MIN = 50;
/** Stores that are filled. With a user limit that outlasts a run, so that what a restore makes of it shows. */
const limits = { userLimitMs: 600_000 };
const filled: Readonly<Record<string, () => Promise<StoreUnderTest>>> = {
  "memory store": () => makeMemoryStore(limits),
  "Redis store": () => makeRedisStore(sharedRedis("redis").url, limits),
};

for (const [name, makeFilled] of Object.entries(filled)) {
  for (const [ledger, make] of Object.entries(ledgers)) {
    Deno.test(`a ${name} filled from the ledger in ${ledger} goes on as the one whose log the ledger has`, async () =>
      goesOn(makeFilled, await make()));
  }
}

async function goesOn(
  makeFilled: () => Promise<StoreUnderTest>,
  openPrepared: () => Promise<LedgerUnderTest>,
): Promise<void> {
  // A run of twenty that restored next to nothing is followed by another one.
  const first = runSeed();
  for (let [seed, lines] = [first, 0]; lines <= LINES_MIN; seed++) {
    assert.ok(seed < first + 10, `only ${lines} lines were restored in all runs`);
    say(`seed ${seed}`);
    lines += await goesOnFrom(seed, makeFilled, openPrepared);
  }
}

/** Twenty runs. Returns how many lines were restored. */
async function goesOnFrom(
  seed: number,
  makeFilled: () => Promise<StoreUnderTest>,
  openPrepared: () => Promise<LedgerUnderTest>,
): Promise<number> {
  let lines = 0;
  await fc.assert(
    fc.asyncProperty(anyBatches, anyBatches, async (before, after) => {
      await using first = await makeMemoryStore(limits);
      await using second = await makeFilled();
      await using filled = await openPrepared();
      assert.deepEqual(await filled.shard.stock("", 1), []);
      await armEmpty(first.control);
      for (const batch of before) await decide(first.store, ...batch);

      const applied = await filled.shard.apply(await readAll(first.log));
      assert.ok(applied.kind === "applied" && applied.deadLetters === 0);
      assert.deepEqual(bySku(await filled.shard.stock("", 1000)), await allStock(first));

      const { deployment } = filled;
      const parts = { control: second.control, ledger: filled.shard, deployment, world };
      const { seq, token, chunks, ...rebuilt } = await rebuild(
        await second.control.inspect(0),
        applied.cursor.seq,
        parts,
      );
      lines += rebuilt.lines;
      assert.equal(rebuilt.lost, 0);
      const armed = await second.control.arm(0, {
        seen: await second.control.inspect(0),
        epoch: 2,
        deployment: deployment.id,
        shards: 1,
        applied: seq,
        token,
        chunks,
      });
      assert.ok(armed);
      for (const command of after.flat()) {
        const [expected] = await decide(first.store, withoutLedger(command));
        const actual = await decideWithLedger(second.store, withoutLedger(command), filled.ledger);
        assert.deepEqual(actual && timeless(actual), expected && timeless(expected));
      }
      assert.deepEqual(await allStock(second), await allStock(first));
    }),
    { seed, numRuns: 20, reporter: shrunkCaseFirst },
  );
  return lines;
}
