import { deepEqual, equal } from "node:assert/strict";
import type { Command } from "../../domain/command.ts";
import { CommandTimings } from "../../decide/command_timings.ts";
import { Board } from "../../live/board.ts";
import { realWorld } from "../../runtime/world.ts";
import type { RequestObserver } from "../ports/observer.ts";
import { LiveObserver } from "./ops_watch.ts";
import {
  acceptedOutcome,
  jsonPost,
  routesUnderTest,
  ScriptedInventory,
} from "../../../tests/http/scripted_inventory.ts";

const order = { sku: "S", user_id: "u", order_id: "o", amount: 1 };
const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

Deno.test("a stream is not cached, compressed or buffered, and HEAD opens none", async () => {
  const { send, app } = routesUnderTest();
  const head = await send("/ops/stream", { method: "HEAD" });
  const stream = await send("/ops/stream");
  for (const { status, headers } of [head, stream]) {
    equal(status, 200);
    deepEqual(["content-type", "cache-control", "x-accel-buffering"].map((name) => headers.get(name)), [
      "text/event-stream",
      "no-store, no-transform",
      "no",
    ]);
  }
  equal(head.body, null);
  app.stop();
  await stream.text();
});

Deno.test("while somebody looks, the log still gets the trace of the caller", async () => {
  const { send, app, inventory } = routesUnderTest();
  inventory.decide = () => acceptedOutcome;
  const sellOne = () => send("/api/v1/inventory/deduct", jsonPost(order, { traceparent }));
  await sellOne();
  const stream = await send("/ops/stream");
  await sellOne();
  app.stop();
  await stream.text();
  const traces = inventory.commands.map((command: Command) =>
    command.kind === "deduct" ? command.traceparent : ""
  );
  deepEqual(traces, [traceparent, traceparent]);
});

Deno.test("whoever watches anyway is told everything, under its own name", () => {
  const told: unknown[] = [];
  const next: RequestObserver = {
    begin: () => ({
      traceparent: "own",
      set route(route: string) {
        told.push(route);
      },
      note: ({ command }) => told.push(command.kind),
      turnAway: (code) => told.push(code),
    }),
    end: (_journey, status) => told.push(status),
  };
  const inventory = new ScriptedInventory();
  const board = new Board({ inventory, books: null, shards: 1, world: realWorld });
  const watch = new LiveObserver(board, next, inventory, realWorld);
  const requestRecord = watch.begin(new Request("http://127.0.0.1/"), {}, traceparent);
  requestRecord.route = "GET /x";
  requestRecord.note(new CommandTimings({ kind: "stock", sku: "S" }));
  requestRecord.turnAway("blocked");
  watch.end(requestRecord, 403);
  equal(requestRecord.traceparent, "own");
  deepEqual(told, ["GET /x", "stock", "blocked", 403]);
});
