/** `inventory detach`, on a real ledger. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { openPostgres } from "../../src/ledger/postgres/server.ts";
import { openLedger } from "../../src/ledger/postgres/ledger.ts";
import { realWorld as world } from "../../src/runtime/world.ts";
import { sharedPostgres } from "../../tools/servers/shared.ts";

const REPOSITORY = fileURLToPath(new URL("../..", import.meta.url));
const RUN_DEADLINE_MS = 60_000;
const UUID = /^[0-9a-f-]{36}$/;

async function detach(databaseUrl: string, ...args: string[]) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-P=cli", "inventory.ts", "detach", "--json", ...args],
    cwd: REPOSITORY,
    env: { REDIS_URL: "redis://127.0.0.1:1", DATABASE_URL: databaseUrl },
    stdin: "null",
    signal: AbortSignal.timeout(RUN_DEADLINE_MS),
  }).output();
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { code, out: out ?? "", err: err ?? "" };
}

Deno.test("detach gives a copied ledger an id of its own, and is refused while a worker uses it", async () => {
  const url = await sharedPostgres().freshDatabase();
  const open = () =>
    openLedger(openPostgres({ url, namespace: "inventory", applicationName: "test", world }), world);
  const ledger = await open();
  const { id: before } = await ledger.prepare(1);
  try {
    const shard = await ledger.lease(0);
    const refused = await detach(url, "--yes");
    assert.equal(refused.code, 1);
    assert.match(refused.err, /a worker uses this ledger/);
    await shard?.release();
    const unasked = await detach(url);
    assert.equal(unasked.code, 2);
    assert.match(unasked.err, new RegExp(`instead of ${before}`));
    const done = await detach(url, "--yes");
    assert.equal(done.code, 0, done.err);
    const result = JSON.parse(done.out);
    assert.equal(result.before, before);
    assert.match(result.id, UUID);
    assert.notEqual(result.id, before);
    await assert.rejects(ledger.lease(0), { name: "ForeignLedger" });
    const again = await open();
    assert.equal((await again.deployment())?.id, result.id);
    await again.close();
  } finally {
    await ledger.close();
  }
});
