import assert from "node:assert/strict";
import type { Forgotten } from "../domain/rows.ts";
import type { ShardLedger } from "../ledger/ledger.ts";
import { ManualWorld } from "../../tests/manual_world.ts";
import { Retention } from "./retention.ts";

Deno.test("Retention walks page by page to the end of what is old, and begins again an hour later", async () => {
  const world = new ManualWorld();
  const asked: { ageMs: number; after: { seq: number; line: number } }[] = [];
  const pages: (Forgotten | undefined)[] = [
    { lines: 1000, last: { seq: 700, line: 2 } },
    { lines: 3, last: { seq: 900, line: 0 } },
    undefined,
    undefined,
  ];
  const ledger: Pick<ShardLedger, "forgetLines"> = {
    forgetLines(ageMs, after) {
      asked.push({ ageMs, after });
      return Promise.resolve(pages[asked.length - 1]);
    },
  };
  const retention = new Retention(ledger, world, 5000);
  const stepAfter = async (ms: number) => {
    await world.advance(ms);
    return await retention.step();
  };
  assert.equal(await stepAfter(59_999), 0, "not before a minute is over");
  assert.equal(await stepAfter(1), 1000);
  assert.equal(await stepAfter(199), 0);
  assert.equal(await stepAfter(1), 3);
  assert.equal(await stepAfter(200), 0);
  assert.equal(await stepAfter(3_599_999), 0);
  assert.equal(asked.length, 3);
  await stepAfter(1);
  const start = { seq: 0, line: -1 };
  assert.deepEqual(
    asked,
    [start, { seq: 700, line: 2 }, { seq: 900, line: 0 }, start].map((after) => ({ ageMs: 5000, after })),
  );
});
