/**
 * The log over OTLP.
 */
import assert from "node:assert/strict";
import { createLoggerTo, jsonOf, traceIds } from "../../src/runtime/logger.ts";
import { notSent } from "../../src/observe/telemetry.ts";
import { realWorld } from "../../src/runtime/world.ts";
import { startReceiver } from "./receiver.ts";
import { startObservedApp } from "./watched_app.ts";

Deno.test("lines arrive with their level and the ids of their trace, but for those about sending", async () => {
  await using receiver = startReceiver();
  const written: string[] = [];
  {
    await using shop = await startObservedApp({ OTLP_ENDPOINT: receiver.url });
    const logger = createLoggerTo(realWorld, "info", (line) => {
      written.push(jsonOf(line));
      shop.telemetry.log(line);
    });
    const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
    logger.error("broken request", { error: "out of paper", shard: 3, ...traceIds(traceparent) });
    logger.info("stopped", { ms: 12 });
    logger.debug("not this");
    logger.warn(notSent, { signal: "logs" });
  }
  assert.equal(written.length, 3);
  assert.deepEqual(receiver.logs, [
    {
      service: "inventory-api",
      severity: "error",
      body: "broken request",
      attributes: { error: "out of paper", shard: 3 },
      traceId: "0af7651916cd43dd8448eb211c80319c",
      spanId: "b7ad6b7169203331",
    },
    {
      service: "inventory-api",
      severity: "info",
      body: "stopped",
      attributes: { ms: 12 },
      traceId: "",
      spanId: "",
    },
  ]);
});

Deno.test("OTEL_EXPORTER_OTLP_HEADERS and OTEL_SERVICE_NAME are what the receiver gets", async () => {
  await using receiver = startReceiver();
  {
    await using shop = await startObservedApp({
      OTLP_ENDPOINT: receiver.url,
      OTEL_EXPORTER_OTLP_HEADERS: "authorization=Bearer%20abc",
      OTEL_SERVICE_NAME: "shop",
    });
    shop.telemetry.log({ timeMs: 0, level: "info", message: "hello", fields: {} });
  }
  assert.equal(receiver.authorization, "Bearer abc");
  assert.equal(receiver.logs[0]?.service, "shop");
});
