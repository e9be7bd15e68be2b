/**
 * A lease whose packets to PostgreSQL were dropped: known to be lost as soon as PostgreSQL can be asked.
 */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { LeaseLost } from "../../src/domain/errors.ts";
import { openPostgres } from "../../src/ledger/postgres/server.ts";
import { openLedger } from "../../src/ledger/postgres/ledger.ts";
import { realWorld as world } from "../../src/runtime/world.ts";
import { openNetwork } from "../../tools/servers/network.ts";
import { startPostgres } from "../../tools/servers/postgres.ts";

/** PostgreSQL ends a session after 3 s of silence; TCP does not send again before twice that time. */
const CUT_MS = 7_000;

Deno.test("lease: one that PostgreSQL has ended in silence is lost at the next look of a new membership", async () => {
  await using network = await openNetwork();
  const host = await network.host();
  await using postgres = await startPostgres({ host });
  const options = {
    url: await postgres.freshDatabase(),
    namespace: "inventory",
    applicationName: "test",
    world,
  };
  const ledger = await openLedger(openPostgres(options), world);
  try {
    await ledger.prepare(1);
    const lost = await ledger.lease(0);
    assert.ok(lost);
    await network.cut(network.here, host);
    const call = lost.beat();
    let reason: unknown;
    call.catch((error) => reason = error);
    await sleep(CUT_MS);
    assert.equal(reason, undefined, "nothing says that it is lost");
    await network.heal();
    const membership = await ledger.join();
    assert.deepEqual((await membership.heartbeat("active")).leased, []);
    await assert.rejects(
      call,
      (error) => error instanceof LeaseLost && /PostgreSQL has ended it/.test(error.message),
    );
    const again = await ledger.lease(0);
    assert.ok(again, "it can be taken again");
    await membership.heartbeat("active");
    await again.beat();
    await membership.leave();
  } finally {
    await ledger.close();
  }
});
