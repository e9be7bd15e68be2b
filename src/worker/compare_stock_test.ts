import assert from "node:assert/strict";
import type { ShardControl, ShardView } from "../decide/shard_control.ts";
import type { StockRow } from "../domain/rows.ts";
import type { ShardLedger } from "../ledger/ledger.ts";
import { compareStock, driftOf } from "./compare_stock.ts";

const pageRows = 5000;
const row = (i: number, available = 1): StockRow => ({
  sku: `S${String(i).padStart(5, "0")}`,
  available,
  reserved: 0,
  policy: null,
});

/** Compares a ledger of so many SKUs with a store that shows them in these pages. */
async function compared(skus: number, pages: readonly (readonly StockRow[])[]) {
  const rows = Array.from({ length: skus }, (_, i) => row(i));
  const asked: string[] = [];
  let beats = 0;
  const ledger: Partial<ShardLedger> = {
    shard: 0,
    stock: (after: string, limit: number) => {
      asked.push(after);
      const from = rows.findIndex(({ sku }) => sku > after);
      return Promise.resolve(from < 0 ? [] : rows.slice(from, from + limit));
    },
    beat: () => Promise.resolve(void beats++),
  };
  const control: Partial<ShardControl> = {
    stock: (_shard: number, cursor: string) => {
      const next = Number(cursor) + 1;
      return Promise.resolve({
        rows: [...pages[Number(cursor)] ?? []],
        next: next < pages.length ? String(next) : null,
      });
    },
  };
  const view = { empty: false } as ShardView;
  const parts = { control: control as ShardControl, ledger: ledger as ShardLedger };
  return { differences: await compareStock(view, parts), asked, beats: () => beats };
}

Deno.test("compare stock: all pages of both sides are read, and the lease is kept after each", async () => {
  const all = Array.from({ length: pageRows + 1 }, (_, i) => row(i));
  const { differences, asked, beats } = await compared(pageRows + 1, [all.slice(0, 9), all.slice(9)]);
  assert.deepEqual(differences, []);
  assert.deepEqual(asked, ["", row(pageRows - 1).sku]);
  assert.equal(beats(), 4);
});

Deno.test("compare stock: a SKU that a scan returns twice is one difference", async () => {
  const { differences } = await compared(2, [[row(0), row(1, 4)], [row(1, 4), row(0)]]);
  assert.deepEqual(differences.map(({ sku }) => sku), [row(1).sku]);
});

Deno.test("compare stock: units that changed between available and reserved count as one unit", () => {
  const side = (available: number, reserved: number) => ({ available, reserved });
  assert.equal(driftOf([{ sku: "S", ledger: side(5, 0), store: side(3, 2) }]), 1);
  assert.equal(driftOf([{ sku: "S", ledger: side(5, 1), store: side(3, 0) }]), 3);
});
