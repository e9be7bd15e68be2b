/**
 * A worker whose DATABASE_URL leads to another ledger than the one that its Redis was applied in: another deployment's
 * that came up on the address, or a copy.
 */
import assert from "node:assert/strict";
import { type LogLine } from "../../src/runtime/logger.ts";
import { entry, opening, sale } from "../contract/ledger_fixture.ts";
import { adjust, decide, deduct } from "../contract/store_suite.ts";
import { withConnection } from "../../tools/servers/database.ts";
import { sharedPostgres, sharedRedis } from "../../tools/servers/shared.ts";
import { waitFor } from "../../tools/servers/wait.ts";
import {
  applied,
  type Fixture,
  FIXTURE_OPTIONS,
  openLedgerAt,
  startFixture,
  startWorkerHere,
  STEP_DEADLINE_MS,
  untilApplied,
} from "./worker_fixture.ts";

/** The stock and how it is armed, byte for byte. */
async function contents({ client, keys }: Fixture): Promise<unknown[]> {
  return [await client.hgetall(keys[0] ?? ""), await client.hgetall(keys[1] ?? "")];
}

/** Two databases of a server change names, as another server takes over an address. */
async function swap(one: string, other: string): Promise<void> {
  const [a, b] = [one, other].map((url) => new URL(url).pathname.slice(1));
  await withConnection(sharedPostgres().url, async (sql) => {
    for (const [from, to] of [[a, `${a}_aside`], [b, a], [`${a}_aside`, b]]) {
      await sql.unsafe(`alter database ${from} allow_connections false`);
      await sql`select pg_terminate_backend(pid) from pg_stat_activity where datname = ${from ?? ""}`;
      await sql.unsafe(`alter database ${from} rename to ${to}`);
    }
    for (const name of [a, b]) await sql.unsafe(`alter database ${name} allow_connections true`);
  });
}

/** A ledger in a database of its own, with `sales` sales under the numbers that the scene's shard issues. */
async function ledgerOf(fixture: Fixture, sales: number, id?: string): Promise<string> {
  const url = await sharedPostgres().freshDatabase();
  const { namespace } = fixture.under;
  const ledger = await openLedgerAt(url, namespace);
  try {
    await ledger.prepare(1);
    const shard = await ledger.lease(0);
    assert.ok(shard);
    if (sales > 0) {
      assert.equal(await shard.issueEpoch(0, 0), 1);
      const events = Array.from({ length: sales }, (_, i) => sale(2 + i, "S", 99 - i, { id: `theirs-${i}` }));
      const { kind } = await shard.apply([entry(1, opening(1, "S", 100), ...events)]);
      assert.equal(kind, "applied");
    }
    await shard.release();
  } finally {
    await ledger.close();
  }
  if (id !== undefined) {
    await withConnection(url, (sql) => sql.unsafe(`update "${namespace}".deployment set id = '${id}'`));
  }
  return url;
}

function deploymentId({ databaseUrl, under: { namespace } }: Fixture): Promise<string> {
  return withConnection(databaseUrl, async (sql) => {
    const [row] = await sql.unsafe<{ id: string }[]>(`select id::text as id from "${namespace}".deployment`);
    return row?.id ?? assert.fail();
  });
}

async function sellTen(fixture: Fixture): Promise<void> {
  await decide(fixture.under.store, adjust("a", "S", 100));
  for (let i = 0; i < 10; i++) await decide(fixture.under.store, deduct(`o-${i}`, "S", 1, `user-${i}`));
  await untilApplied(fixture, 11);
}

Deno.test(
  "another deployment's PostgreSQL on the worker's address: Redis is not touched, and applying goes on after it",
  FIXTURE_OPTIONS,
  async () => {
    await using fixture = await startFixture(sharedRedis());
    await sellTen(fixture);
    const theirs = await ledgerOf(fixture, 50);
    await decide(fixture.under.store, deduct("before", "S", 1, "before"));
    await untilApplied(fixture, 12);
    const before = await contents(fixture);
    await swap(fixture.databaseUrl, theirs);
    const refusals = () => fixture.lines.filter(({ message }) => message === "ledger of another deployment");
    await waitFor(() => refusals().length > 0, {
      deadlineMs: STEP_DEADLINE_MS,
      what: "a refusal in the log",
    });
    assert.deepEqual(await contents(fixture), before);
    assert.equal(refusals()[0]?.level, "error");
    assert.equal(
      (await decide(fixture.under.store, deduct("during", "S", 1, "during")))[0]?.kind,
      "accepted",
    );
    await swap(fixture.databaseUrl, theirs);
    await untilApplied(fixture, 13);
    assert.equal((await applied(fixture)).lost, 0);
    const armings = fixture.lines.filter(({ message }) => message === "shard armed");
    assert.deepEqual(
      armings.map(({ fields }) => fields.rebuilt),
      armings.map(() => armings[0]?.fields.rebuilt),
    );
  },
);

for (
  const [what, sales] of [
    ["that is behind", 0],
    ["with other sales under the same numbers", 10],
    ["that lived on", 60],
  ] as const
) {
  Deno.test(
    `a worker on a copy of the ledger ${what} refuses itself, and the original's shard sells on`,
    FIXTURE_OPTIONS,
    async () => {
      await using fixture = await startFixture(sharedRedis());
      await sellTen(fixture);
      const copy = await ledgerOf(fixture, sales, await deploymentId(fixture));
      const lines: LogLine[] = [];
      await using _staging = await startWorkerHere(fixture.under, copy, lines);
      let sold = 0;
      await waitFor(async () => {
        const [outcome] = await decide(fixture.under.store, deduct(`p-${sold}`, "S", 1, `p-${sold}`));
        assert.ok(outcome?.kind === "accepted" || outcome?.kind === "insufficient");
        if (outcome.kind === "accepted") sold++;
        return lines.some(({ message }) => message === "shard refused");
      }, { deadlineMs: STEP_DEADLINE_MS, what: "a refusal" });
      await untilApplied(fixture, 11 + sold);
      const said = (from: readonly LogLine[], text: string) => from.filter(({ message }) => message === text);
      assert.match(
        String(said(lines, "shard refused")[0]?.fields.reason),
        /a worker with another ledger keeps it armed/,
      );
      assert.equal(said(lines, "shard armed").length, 0);
      assert.equal(said(fixture.lines, "shard armed").length, 1, "it was never disarmed");
      assert.equal((await applied(fixture)).sales, 10 + sold);
    },
  );
}

Deno.test(
  "a store that no worker keeps armed is not filled from a copy whose history is another",
  FIXTURE_OPTIONS,
  async () => {
    const lines: LogLine[] = [];
    await using fixture = await startFixture(sharedRedis());
    await sellTen(fixture);
    const copy = await ledgerOf(fixture, 60, await deploymentId(fixture));
    await fixture.stopWorker();
    const before = await contents(fixture);
    await using _staging = await startWorkerHere(fixture.under, copy, lines);
    await waitFor(() => lines.some(({ message }) => message === "shard refused"), {
      deadlineMs: STEP_DEADLINE_MS,
      what: "a refusal",
    });
    const [refusal] = lines.filter(({ message }) => message === "shard refused");
    assert.match(String(refusal?.fields.reason), /it belongs to another ledger/);
    const after = await contents(fixture);
    assert.deepEqual(after[1], before[1], "the stock is as it was");
  },
);
