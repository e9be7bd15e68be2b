/**
 * What is changed by hand, in Redis, in a row of the ledger, in its movements or in the log, while the shard sells: the
 * worker finds it, names it, says when both sides agreed last, and says that it is gone.
 */
import assert from "node:assert/strict";
import type { ReconciliationProgress } from "../../src/worker/observer.ts";
import { noObserver } from "../../src/worker/observer.ts";
import { sharedRedis } from "../../tools/servers/shared.ts";
import { withConnection } from "../../tools/servers/database.ts";
import { waitFor } from "../../tools/servers/wait.ts";
import { adjust, decide } from "../contract/store_suite.ts";
import {
  type Fixture,
  FIXTURE_OPTIONS,
  sell,
  startFixture,
  STEP_DEADLINE_MS,
  untilApplied,
} from "./worker_fixture.ts";

const DIFFER = "store and ledger differ";
const AGREE = "store and ledger agree again";

const SOLD_DEADLINE_MS = 60_000;

/** A worker that compares everything within a second, and the SKUs that it sells from. */
async function reconciling(skus: number): Promise<Fixture & { readonly progress: ReconciliationProgress[] }> {
  const progress: ReconciliationProgress[] = [];
  const observer = {
    ...noObserver,
    reconciled: (_: number, one: ReconciliationProgress) => void progress.push(one),
  };
  const fixture = await startFixture(sharedRedis(), { reconcileMs: 1000, observer });
  await decide(
    fixture.under.store,
    ...Array.from({ length: skus }, (_, i) => adjust(`open-${i}`, `SKU-${i}`, 1000)),
  );
  await untilApplied(fixture, skus);
  return Object.assign(fixture, { progress });
}

/** Waits for passes that begin from now on. */
async function untilCompared({ under }: Fixture, passes = 2): Promise<void> {
  const nowMs = Date.now();
  for (let i = 0, lastMs = nowMs; i < passes; i++) {
    await waitFor(async () => {
      const atMs = (await under.control.inspect(0)).reconciled?.atMs ?? 0;
      if (atMs <= lastMs) return false;
      lastMs = atMs;
      return true;
    }, { deadlineMs: STEP_DEADLINE_MS, what: "a pass over every SKU" });
  }
}

function linesOf({ lines }: Fixture, message: string) {
  return lines.filter((line) => line.message === message).map(({ fields }) => fields);
}

async function untilLogged(fixture: Fixture, message: string, name: string) {
  await waitFor(() => linesOf(fixture, message).some((line) => line.name === name), {
    deadlineMs: STEP_DEADLINE_MS,
    what: `'${message}' about ${name}`,
  });
  const found = linesOf(fixture, message).find((line) => line.name === name);
  return found ?? assert.fail();
}

function ledger({ databaseUrl, under }: Fixture, statement: string) {
  return withConnection(
    databaseUrl,
    (sql) => sql.unsafe(`set search_path = "${under.namespace}"; ${statement}`).simple(),
  );
}

Deno.test(
  "reconciliation: nothing differs while it sells, at any moment of the sale",
  FIXTURE_OPTIONS,
  async () => {
    await using fixture = await reconciling(1200); // three slices
    let sold = 0;
    const untilMs = Date.now() + 4000;
    for (let round = 0; Date.now() < untilMs || sold <= 100; round++) {
      assert.ok(Date.now() < untilMs + SOLD_DEADLINE_MS, `only ${sold} sold`);
      sold += await sell(fixture, `round-${round}`, `SKU-${round % 7}`, 8, 4);
    }
    await untilCompared(fixture, 1);
    assert.deepEqual(linesOf(fixture, DIFFER), []);
    const skus = fixture.progress.reduce((sum, one) => sum + one.skus, 0);
    assert.ok(skus >= 1200, `${skus} SKUs compared`);
    const { reconciled } = await fixture.under.control.inspect(0);
    assert.equal(reconciled?.skus, 1200);
    assert.equal(reconciled?.differences, 0);
    assert.ok((reconciled?.agreed?.seq ?? 0) >= 1200);
  },
);

Deno.test(
  "reconciliation: a stock that was changed in Redis is named with both values and when they agreed, and gone when it is put back",
  FIXTURE_OPTIONS,
  async () => {
    await using fixture = await reconciling(3);
    const { under, keys: [, stock = ""] } = fixture;
    await untilCompared(fixture);
    await under.call("HSET", stock, "SKU-1", "1005 0");
    const changedMs = Date.now();
    await under.call("HSET", stock, "only here", "7 0");
    const found = await untilLogged(fixture, DIFFER, "SKU-1");
    assert.deepEqual(
      {
        what: found.what,
        ledger: found.ledger,
        store: found.store,
        agreedSeq: found.agreedSeq,
        shard: found.shard,
      },
      { what: "stock", ledger: "1000+0", store: "1005+0", agreedSeq: 3, shard: 0 },
    );
    assert.ok(Date.parse(String(found.agreedAt)) <= changedMs + 1000);
    const unknown = await untilLogged(fixture, DIFFER, "only here");
    assert.equal(unknown.ledger, "nothing");
    await waitFor(() => fixture.progress.at(-1)?.differences === 2, {
      deadlineMs: STEP_DEADLINE_MS,
      what: "two differences in the metrics",
    });
    const said = "store and ledger of shard 0 agree: 2 differences, named in the worker's log";
    await waitFor(async () => (await under.store.guaranteesOff(0)).includes(said), {
      deadlineMs: STEP_DEADLINE_MS,
      what: "readiness that says so",
    });
    await untilCompared(fixture);
    assert.equal(linesOf(fixture, DIFFER).length, 2, "each is logged once");

    assert.equal(await sell(fixture, "on", "SKU-2", 5, 1), 5, "selling continues");
    await under.call("HSET", stock, "SKU-1", "1000 0");
    await under.call("HDEL", stock, "only here");
    for (const name of ["SKU-1", "only here"]) await untilLogged(fixture, AGREE, name);
    assert.equal((await under.control.inspect(0)).reconciled?.differences, 0);
    assert.ok((await under.store.guaranteesOff(0)).every((one) => !one.includes("agree")));
  },
);

Deno.test(
  "reconciliation: a row of stock, and movements that do not add up to it, are found",
  FIXTURE_OPTIONS,
  async () => {
    await using fixture = await reconciling(3);
    await untilCompared(fixture);
    await ledger(fixture, `update stock set available = 990 where sku = 'SKU-0'`);
    const row = await untilLogged(fixture, DIFFER, "SKU-0");
    assert.equal(`${row.ledger} ${row.store}`, "990+0 1000+0");
    await ledger(fixture, `update stock set available = 1000 where sku = 'SKU-0'`);
    await untilLogged(fixture, AGREE, "SKU-0");

    // Store and row agree; only the sum of the movements does not. Movements may be inserted, by anyone with the right.
    const forged = (delta: number, line: number) =>
      `insert into movements (shard, epoch, seq, line, kind, order_id,
    user_id, sku, delta, reserved_delta, available_after, reserved_after, fingerprint, reason, reference, actor,
    traceparent, occurred_at) select shard, epoch, seq, ${line}, 'correction', '', '', 'SKU-2', ${delta}, 0, 1000, 0,
    '', 'forged', '', '', '', now() from log_cursor`;
    await ledger(fixture, forged(4, 1500));
    const line = await untilLogged(fixture, DIFFER, "SKU-2");
    assert.equal(`${line.name} ${line.ledger} ${line.store}`, "SKU-2 stock 1000+0 movements 1004+0");
    assert.equal(typeof line.agreedSeq, "number");
    await ledger(fixture, forged(-4, 1501));
    await untilLogged(fixture, AGREE, "SKU-2");
  },
);

Deno.test(
  "reconciliation: an event that was altered in the log after it was applied is found by its number",
  FIXTURE_OPTIONS,
  async () => {
    await using fixture = await reconciling(2);
    await sell(fixture, "a", "SKU-0", 3, 1);
    await untilApplied(fixture, 5);
    await untilCompared(fixture);
    const { under, client } = fixture;
    const key = under.key("events");
    const entries = await client.xrange(key, "-", "+");
    const altered = entries.at(-2) ?? assert.fail();
    const [id, fields] = altered;
    const after = entries.at(-1) ?? assert.fail();
    // A stream takes entries at its end only: the altered one and those after it are appended again.
    await client.xdel(key, id, after[0]);
    await client.xsetid(key, entries.at(-3)?.[0] ?? "0-0");
    await client.xadd(key, id, ...fields.map((one) => one.replace("user-a-1", "user-x-1")));
    await client.xadd(key, after[0], ...after[1]);
    const found = await untilLogged(fixture, DIFFER, id.split("-")[1] ?? "");
    assert.equal(found.what, "log");
    assert.match(String(found.store), /^deduct SKU-0 -1 to 99[78]\+0$/);
    assert.equal(linesOf(fixture, DIFFER).length, 1);
  },
);
