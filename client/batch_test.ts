import { deepEqual, equal } from "node:assert/strict";
import {
  accepted,
  answered,
  at,
  connectionReset,
  json,
  lost,
  order,
  refuse,
  scripted,
  sold,
} from "../tests/client/scripted_client.ts";

Deno.test("a batch sends again only the items that were not decided", async () => {
  const item = (orderId: string) => ({ ...order, orderId });
  const soldItem = (orderId: string) => ({
    ...sold,
    order_id: orderId,
    status: 200,
    code: "accepted",
    replayed: false,
  });
  const refusedItem = { status: 409, code: "insufficient_stock", detail: "because", sku: "S", available: 0 };
  const busyItem = (orderId: string) => ({
    status: 503,
    code: "overloaded",
    detail: "because overloaded",
    order_id: orderId,
    deadline: at(2),
    retry_after: 1,
  });
  const { client, sent, waitsMs } = scripted([
    json(200, { items: [soldItem("a"), busyItem("b"), refusedItem, busyItem("d")] }),
    lost,
    json(200, { items: [{ ...soldItem("b"), replayed: true }, busyItem("d")] }),
  ], { attemptsMax: 3 });
  const result = await client.deductBatch([item("a"), item("b"), item("c"), item("d")]);
  equal(result.kind, "batch");
  if (result.kind !== "batch") return;
  deepEqual(result.items.map((item) => item.kind), ["accepted", "accepted", "refused", "unknown"]);
  deepEqual(result.items[1], { ...accepted, orderId: "b", replayed: true });
  deepEqual(result.items[3], {
    kind: "unknown",
    orderId: "d",
    deadline: null, // one try was left without an answer
    cause: answered(503, "overloaded"),
  });
  const sentItems = sent.map(({ body }) => JSON.parse(String(body)).items.length);
  deepEqual(sentItems, [4, 2, 2]);
  deepEqual(sent.map(({ headers }) => headers["order-attempt"]), ["1", undefined, undefined]);
  deepEqual(waitsMs, [1050, 100]);
});

Deno.test("a batch that is refused as a whole is one refusal; one without a response is unknown, item by item", async () => {
  const refused = await scripted([refuse(413, "body_too_large")]).client.deductBatch([order]);
  equal(refused.kind === "refused" && refused.code, "body_too_large");
  const silent = await scripted([lost, () => new Response("<html>")], { attemptsMax: 2 }).client.deductBatch([
    order,
  ]);
  deepEqual(silent, {
    kind: "batch",
    items: [{
      kind: "unknown",
      orderId: "o",
      deadline: null,
      cause: { kind: "answer", status: 200, code: "", detail: "" },
    }],
  });
});

Deno.test("a stock change without a decision names its SKU and the cause", async () => {
  const { client } = scripted([lost], { attemptsMax: 1 });
  deepEqual(await client.adjust({ adjustmentId: "a", sku: "S", delta: 1 }), {
    kind: "unknown",
    sku: "S",
    deadline: null,
    cause: { kind: "no_answer", error: connectionReset },
  });
});
