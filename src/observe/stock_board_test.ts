import assert from "node:assert/strict";
import { ManualWorld } from "../../tests/manual_world.ts";
import { stockSkusMax } from "./instruments.ts";
import { StockBoard } from "./stock_board.ts";

/** SKUs that are shown, with their units. */
function shown(board: StockBoard): Map<unknown, number> {
  return new Map(board.readings().map(({ labels, value }) => [labels.sku, value]));
}

Deno.test("the SKUs that sell most are shown, as they stand now, and never more than there are places", () => {
  const board = new StockBoard(new ManualWorld());
  for (let i = 0; i < 4000; i++) board.saw(0, `cold-${i}`, 1000, 1);
  for (let i = 0; i < 10; i++) board.saw(1, "hot", 1000 - i, 500);
  const skus = shown(board);
  assert.equal(skus.size, 50, "places that nothing is nearly gone for stay empty");
  assert.equal(skus.get("hot"), 991);
});

Deno.test("what is nearly gone is shown with it, with few units before none", () => {
  const board = new StockBoard(new ManualWorld());
  for (let i = 0; i < 60; i++) board.saw(0, `hot-${i}`, 5000, 100 - i);
  for (let i = 0; i < 200; i++) board.saw(0, `gone-${i}`, 0, 0);
  board.saw(0, "nearly", 3, 0);
  board.saw(0, "enough", 100, 0);
  const skus = shown(board);
  assert.equal(skus.size, stockSkusMax);
  assert.equal(skus.get("nearly"), 3);
  assert.ok(skus.has("hot-49") && !skus.has("hot-50") && !skus.has("enough"));
});

Deno.test("however many SKUs are sold, memory is bounded, and one that is nearly gone still finds room", () => {
  const board = new StockBoard(new ManualWorld());
  for (let i = 0; i < 100_000; i++) board.saw(0, `sku-${i}`, 1000, 1);
  board.saw(0, "last units", 5, 1);
  assert.ok(board.size <= 5000);
  assert.equal(shown(board).get("last units"), 5);
});

Deno.test("what sells no more makes room within two minutes, and a shard that is gone at once", async () => {
  const world = new ManualWorld();
  const board = new StockBoard(world);
  board.saw(0, "yesterday", 1000, 1);
  board.saw(1, "elsewhere", 1000, 1);
  board.forget(1);
  assert.deepEqual([...shown(board).keys()], ["yesterday"]);
  for (let minute = 0; minute < 3; minute++) {
    await world.advance(60_000);
    board.readings();
  }
  assert.equal(board.size, 0);
});
