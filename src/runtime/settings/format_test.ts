import { deepEqual, equal } from "node:assert/strict";
import { namesOf, problemsOf } from "../../../tests/runtime/refused_env.ts";
import { loadConfig } from "./config.ts";

Deno.test("loadConfig() takes a rate as sales in seconds, and who is one buyer", () => {
  const env = { RATE_LIMIT: "20/1", RATE_LIMIT_BY: "user_id" };
  deepEqual(loadConfig(env).fairPlay.rateLimit, { quota: 20, windowS: 1, by: "user_id" });
  deepEqual(loadConfig({ RATE_LIMIT: "1000000/86400" }).fairPlay.rateLimit, {
    quota: 1_000_000,
    windowS: 86_400,
    by: "address",
  });
  for (const value of ["20", "20/1s", "0/1", "1/0", "1000001/1", "1/86401", "-1/1", "1/1/1", " 1/1"]) {
    deepEqual(namesOf({ RATE_LIMIT: value }), ["RATE_LIMIT"], value);
  }
  deepEqual(namesOf({ RATE_LIMIT_BY: "token" }), ["RATE_LIMIT_BY"]);
});

Deno.test("loadConfig() takes who may not buy: users, addresses and networks", () => {
  const { blocked } = loadConfig({ BLOCKED: "user:bot 7, 203.0.113.7,2001:db8::/32" }).fairPlay;
  deepEqual(blocked, {
    users: ["bot 7"],
    networks: [{ prefix: 0xffff_cb00_7107n, bits: 128 }, { prefix: 0x2001_0db8n, bits: 32 }],
  });
  const wrong = ["bot", "user:", "1.2.3.4/33", "1.2.3.4,", ",", Array(901).fill("1.2.3.4").join(",")];
  for (const value of wrong) deepEqual(namesOf({ BLOCKED: value }), ["BLOCKED"], value.slice(0, 40));
});

Deno.test("loadConfig() takes keys that are long enough to sign with, and never shows one", () => {
  const [old, fresh] = ["o".repeat(32), "f".repeat(256)] as const;
  deepEqual(loadConfig({ PURCHASE_TOKEN_KEY: `${fresh},${old}` }).fairPlay.purchaseTokenKeys, [fresh, old]);
  for (
    const value of ["o".repeat(31), `${old},`, `${old}, ${old}`, "f".repeat(257), Array(5).fill(old).join()]
  ) {
    const [problem, ...others] = problemsOf({ PURCHASE_TOKEN_KEY: value });
    deepEqual([problem?.name, problem?.value, others], ["PURCHASE_TOKEN_KEY", null, []]);
  }
});

Deno.test("loadConfig() takes origins exactly as browsers send them", () => {
  const origins = ["https://shop.example", "http://localhost:3000"];
  deepEqual(loadConfig({ CORS_ORIGINS: origins.join(", ") }).corsOrigins, origins);
  const wrong = ["*", "null", "shop.example", "https://shop.example/", "https://Shop.example", "ftp://a"];
  for (const value of [...wrong, "https://a:443", "https://a,"]) {
    deepEqual(namesOf({ CORS_ORIGINS: value }), ["CORS_ORIGINS"], value);
  }
});

Deno.test("loadConfig() takes a ratio as a plain number from 0 to 1, and a receiver's base address", () => {
  const OTLP_ENDPOINT = "http://127.0.0.1:4318";
  for (const [text, ratio] of [["0", 0], ["1", 1], ["0.01", 0.01], ["1.0", 1]] as const) {
    equal(loadConfig({ OTLP_ENDPOINT, TRACE_RATIO: text }).telemetry?.traceRatio, ratio);
  }
  for (const text of ["1.1", "-0", ".5", "1 %", "1e-2", "0,5"]) {
    deepEqual(namesOf({ TRACE_RATIO: text }), ["TRACE_RATIO"], text);
  }
  for (const url of ["127.0.0.1:4318", "grpc://a", "http://a?x=1", "http://a#x", "http://"]) {
    deepEqual(namesOf({ OTLP_ENDPOINT: url }), ["OTLP_ENDPOINT"], url);
  }
});
