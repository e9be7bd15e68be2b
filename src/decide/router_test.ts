import assert from "node:assert/strict";
import { Router } from "./router.ts";

Deno.test("route: a SKU has the same shard in every process", () => {
  const router = new Router(12);
  assert.deepEqual(["SKU_1", "SKU_2", "SKU_123"].map((sku) => router.route(sku)), [10, 11, 5]);
});

Deno.test("route: SKUs with the same tag share a shard, whatever else they hold", () => {
  const router = new Router(1024);
  const shard = router.route("{concert}:seat-1");
  assert.equal(router.route("{concert}:seat-2"), shard);
  assert.equal(router.route("vip-{concert}"), shard);
  assert.equal(router.routeAll(["{concert}:1", "{concert}:2"]), shard);
});

Deno.test("route: braces that hold nothing, or do not close, are no tag", () => {
  const router = new Router(1024);
  assert.notEqual(router.route("{}seat-1"), router.route("{}seat-2"));
  assert.notEqual(router.route("{seat-1"), router.route("{seat-2"));
});

Deno.test("route: lines of several shards have no one shard", () => {
  const router = new Router(1024);
  assert.equal(router.routeAll(["SKU_1", "SKU_2"]), undefined);
});
