import assert from "node:assert/strict";
import { ManualWorld } from "../../tests/manual_world.ts";
import { createLoggerTo, jsonOf, type LogLine, traceIds } from "./logger.ts";

function loggerUnderTest(level: "info" | "warn" = "info") {
  const world = new ManualWorld();
  const lines: LogLine[] = [];
  return { world, lines, logger: createLoggerTo(world, level, (line) => lines.push(line)) };
}

Deno.test("a line is one JSON object with the trace that it belongs to, and nothing below the level is written", () => {
  const { logger, lines } = loggerUnderTest();
  logger.debug("not this");
  logger.info("sold", { sku: "A", ...traceIds("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01") });
  assert.equal(lines.length, 1);
  const [line] = lines.map((line) => JSON.parse(jsonOf(line)));
  assert.deepEqual(Object.keys(line), ["time", "level", "message", "sku", "trace_id", "span_id"]);
  assert.equal(line.trace_id, "0af7651916cd43dd8448eb211c80319c");
  assert.equal(line.span_id, "b7ad6b7169203331");
  assert.deepEqual(traceIds(""), {});
});

Deno.test("an error that repeats is written once a second, with how often it was not", async () => {
  const { world, logger, lines } = loggerUnderTest();
  for (let i = 0; i < 1000; i++) logger.error("redis", { error: `lost ${i}` });
  assert.deepEqual(lines.map(({ fields }) => fields), [{ error: "lost 0" }]);
  await world.advance(1000);
  assert.deepEqual(lines[1]?.fields, { error: "lost 999", repeated: 999 });
  logger.error("redis", { error: "again" });
  assert.equal(lines.length, 2);
  await world.advance(1000);
  assert.deepEqual(lines[2]?.fields, { error: "again" });
  await world.advance(5000);
  logger.error("redis", { error: "much later" });
  assert.equal(lines.length, 4, "what has not repeated for a second is written at once");
});

Deno.test("the same words about another shard, or of another level, are news; so is every line that is no warning", () => {
  const { logger, lines } = loggerUnderTest();
  for (const shard of [0, 1, 0]) logger.warn("interrupted", { shard });
  logger.error("interrupted", { shard: 0 });
  logger.info("armed");
  logger.info("armed");
  assert.equal(lines.length, 5);
});

Deno.test("an error's words are cut where they become a document", () => {
  const { logger, lines } = loggerUnderTest();
  logger.error("broken", { error: "x".repeat(100_000), shard: 1 });
  assert.equal(String(lines[0]?.fields.error).length, 2001);
  assert.equal(lines[0]?.fields.shard, 1);
});
