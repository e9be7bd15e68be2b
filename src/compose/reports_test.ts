import { deepEqual } from "node:assert/strict";
import { ManualWorld } from "../../tests/manual_world.ts";
import { createLoggerTo, type LogLine } from "../runtime/logger.ts";
import { reportBroken, reportNotSent, reportRedis } from "./reports.ts";

Deno.test("servers and a Collector that are away for 30 s are one line each, and one more when they fail again", async () => {
  const world = new ManualWorld();
  const lines: LogLine[] = [];
  const logger = createLoggerTo(world, "info", (line) => lines.push(line));
  const [redis, broken] = [reportRedis(world, logger), reportBroken(world, logger)];
  const telemetry = reportNotSent(world, () => logger);
  const fail = async (seconds: number) => {
    for (let i = 0; i < seconds * 2; i++) {
      redis(new Error("connect ECONNREFUSED 127.0.0.1:6379"));
      broken(new Error("not connected"));
      telemetry("spans", "HTTP 503");
      telemetry("logs", "HTTP 503");
      await world.advance(500);
    }
  };
  const said = () => lines.map(({ message, fields }) => `${message} ${fields.signal ?? ""}`.trim());
  const once = ["redis", "broken store", "telemetry not sent spans"];
  await fail(30);
  deepEqual(said().filter((line) => !line.endsWith("logs")), once);
  await world.advance(10_000);
  await fail(10);
  deepEqual(said().filter((line) => !line.endsWith("logs")), [...once, ...once]);
});
