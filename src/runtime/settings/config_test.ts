import { deepEqual, equal, ok } from "node:assert/strict";
import { loadConfig, readEnvironment, type Setting, settings } from "./config.ts";
import { type Env, namesOf, strongToken } from "../../../tests/runtime/refused_env.ts";

Deno.test("loadConfig() without settings is the embedded default on loopback, open", () => {
  deepEqual(loadConfig({}), {
    host: "127.0.0.1",
    ignored: [],
    port: 8080,
    store: { kind: "embedded", dataDir: "./data", demoStock: true },
    shards: 1,
    namespace: "inventory",
    access: { kind: "open" },
    userLimitMs: 1000,
    idempotencyWindowS: 86_400,
    retentionDays: 400,
    movementsRetentionDays: 0,
    reconcileMinutes: 60,
    batchMax: 256,
    queueMax: 10_000,
    connectionsMax: 10_000,
    backlogMax: 1_000_000,
    requestTimeoutMs: 2000,
    drainTimeoutMs: 4000,
    drainDelayMs: 0,
    durability: "report",
    replicaTimeoutMs: 5000,
    logLevel: "info",
    fairPlay: { rateLimit: null, trustedProxies: 0, blocked: null, purchaseTokenKeys: null },
    telemetry: null,
    corsOrigins: null,
  });
});

Deno.test("loadConfig() takes every setting, ignores what it does not know, and takes empty for unset", () => {
  const config = loadConfig({
    HOST: "::1",
    PORT: "0",
    SHARDS: "",
    NAMESPACE: "shop_2",
    DEMO_STOCK: "0",
    SHARD: "x",
  });
  equal(config.host, "::1");
  equal(config.port, 0);
  equal(config.shards, 1);
  equal(config.namespace, "shop_2");
  deepEqual(config.store, { kind: "embedded", dataDir: "./data", demoStock: false });
});

Deno.test("loadConfig() tells nothing without a receiver, and takes either name of it", () => {
  equal(loadConfig({ TRACE_RATIO: "1" }).telemetry, null);
  deepEqual(loadConfig({ OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector:4318/" }).telemetry, {
    endpoint: "http://collector:4318",
    headers: {},
    serviceName: null,
    resource: {},
    traceRatio: 0.01,
    traceSlowMs: 250,
    traceSampling: "head",
    traceFull: null,
  });
  const both = { OTLP_ENDPOINT: "https://a/otlp", OTEL_EXPORTER_OTLP_ENDPOINT: "http://b" };
  equal(loadConfig(both).telemetry?.endpoint, "https://a/otlp");
  const window = { TRACE_FULL_EVERY: "3600", TRACE_FULL_FOR: "60" };
  deepEqual(loadConfig({ ...both, ...window }).telemetry?.traceFull, { everyS: 3600, forS: 60 });
});

Deno.test("loadConfig() leaves telemetry to Deno where it has its own", () => {
  const receiver = { OTLP_ENDPOINT: "http://127.0.0.1:4318" };
  equal(loadConfig({ ...receiver, OTEL_DENO: "true" }).telemetry?.endpoint, null);
  const deployed = { DENO_DEPLOY: "1", REDIS_URL: "redis://a", API_TOKENS: strongToken };
  equal(loadConfig({ ...receiver, ...deployed }).telemetry?.endpoint, null);
  equal(loadConfig({ ...receiver, OTEL_DENO: "false" }).telemetry?.endpoint, receiver.OTLP_ENDPOINT);
});

Deno.test("loadConfig() freezes all of it", () => {
  const config = loadConfig({ API_TOKENS: '{"t":["read"]}', REDIS_URL: "redis://a" });
  const isFrozen = (value: unknown): boolean =>
    typeof value !== "object" || value === null ||
    (Object.isFrozen(value) && Object.values(value).every(isFrozen));
  ok(isFrozen(config));
});

Deno.test("loadConfig() keeps integers within their bounds, both included", () => {
  // `others`: what must be set with it so that no relation between settings fails first.
  const bounds: readonly (readonly [name: string, min: number, max: number, others: Env])[] = [
    ["PORT", 0, 65_535, {}],
    ["SHARDS", 1, 1024, {}],
    ["USER_LIMIT_MS", 0, 86_400_000, {}],
    ["IDEMPOTENCY_WINDOW_S", 60, 2_592_000, {}],
    ["RETENTION_DAYS", 1, 36_500, {}],
    ["MOVEMENTS_RETENTION_DAYS", 0, 36_500, {}],
    ["RECONCILE_MINUTES", 0, 1440, {}],
    ["BATCH_MAX", 1, 512, {}],
    ["QUEUE_MAX", 1, 1_000_000, { BATCH_MAX: "1" }],
    ["BACKLOG_MAX", 1, 100_000_000, {}],
    ["REQUEST_TIMEOUT_MS", 50, 30_000, { DRAIN_TIMEOUT_MS: "30000" }],
    ["DRAIN_TIMEOUT_MS", 100, 60_000, { REQUEST_TIMEOUT_MS: "50" }],
    ["TRUST_PROXY", 0, 8, {}],
    ["TRACE_SLOW_MS", 1, 60_000, {}],
    ["TRACE_FULL_EVERY", 2, 86_400, { TRACE_FULL_FOR: "1" }],
    ["TRACE_FULL_FOR", 1, 86_399, { TRACE_FULL_EVERY: "86400" }],
  ];
  for (const [name, min, max, others] of bounds) {
    for (const value of [min, max]) {
      deepEqual(namesOf({ ...others, [name]: String(value) }), [], `${name}=${value}`);
    }
    const wrong = [`${max + 1}`, `${min - 1}`, `${min}.5`, "1e3", "0x10", ` ${max}`, "many", "9".repeat(30)];
    for (const value of wrong) deepEqual(namesOf({ ...others, [name]: value }), [name], `${name}=${value}`);
  }
});

Deno.test("loadConfig() takes words by the letter", () => {
  for (const level of ["debug", "info", "warn", "error"]) {
    equal(loadConfig({ LOG_LEVEL: level }).logLevel, level);
  }
  for (const level of ["INFO", "trace", "info "]) deepEqual(namesOf({ LOG_LEVEL: level }), ["LOG_LEVEL"]);
  deepEqual(namesOf({ DURABILITY: "STRICT" }), ["DURABILITY"]);
  for (const value of ["true", "2", "yes"]) deepEqual(namesOf({ DEMO_STOCK: value }), ["DEMO_STOCK"]);
});

Deno.test("loadConfig() takes a namespace that PostgreSQL, Redis and Kafka take", () => {
  for (const name of ["a", "inventory", "a_1", "x".repeat(32)]) {
    equal(loadConfig({ NAMESPACE: name }).namespace, name);
  }
  for (
    const name of ["A", "1a", "_a", "a-b", "a.b", "a{b}", "pg_shop", "x".repeat(33), 'a"; DROP SCHEMA a; --']
  ) {
    deepEqual(namesOf({ NAMESPACE: name }), ["NAMESPACE"], name);
  }
});

Deno.test("loadConfig() takes one Redis, or several as a cluster, with a database or none", () => {
  const databaseUrl = "postgres://u:p@db/inventory";
  deepEqual(loadConfig({ REDIS_URL: "redis://r:6379/2", DATABASE_URL: databaseUrl }).store, {
    kind: "redis",
    redisUrls: ["redis://r:6379/2"],
    databaseUrl,
    kafka: null,
    deploymentId: null,
  });
  deepEqual(loadConfig({ REDIS_URL: "rediss://a, rediss://b:7/0,rediss://c/" }).store, {
    kind: "redis",
    redisUrls: ["rediss://a", "rediss://b:7/0", "rediss://c/"],
    databaseUrl: null,
    kafka: null,
    deploymentId: null,
  });
  const wrong = [
    "localhost:6379",
    "http://a",
    "redis:",
    "redis://",
    "redis://a,",
    "redis://a,rediss://b",
    "redis://a/1,redis://b",
    "redis://a/x",
    ",",
  ];
  for (const url of wrong) deepEqual(namesOf({ REDIS_URL: url }), ["REDIS_URL"], url);
  for (
    const url of [
      "db",
      "mysql://db/x",
      "postgres:",
      "postgres:///x",
      "postgres://db/x",
      "postgres://u:50%off@db/x",
    ]
  ) {
    deepEqual(namesOf({ REDIS_URL: "redis://a", DATABASE_URL: url }), ["DATABASE_URL"], url);
  }
});

Deno.test("loadConfig() takes brokers as host:port, and only with a REDIS_URL", () => {
  const others = { REDIS_URL: "redis://a" };
  const { store } = loadConfig({ ...others, KAFKA_BROKERS: "kafka-1:9092, 10.0.0.7:9092,[::1]:9092" });
  deepEqual(store.kind === "redis" && store.kafka?.brokers, ["kafka-1:9092", "10.0.0.7:9092", "[::1]:9092"]);
  for (
    const brokers of [
      "kafka-1",
      "kafka-1:9092,",
      "kafka://kafka-1:9092",
      "a b:9092",
      ":9092",
      "k:99999",
      "k:0",
      "kafka://u:secret@k:9092",
    ]
  ) {
    deepEqual(namesOf({ ...others, KAFKA_BROKERS: brokers }), ["KAFKA_BROKERS"], brokers);
  }
  deepEqual(namesOf({ KAFKA_BROKERS: "kafka-1:9092" }), ["KAFKA_BROKERS"]);
});

Deno.test("the table of settings is sound: names are unique, every default follows its own rule", () => {
  const rows: readonly Setting<unknown>[] = Object.values(settings);
  equal(new Set(rows.map((row) => row.name)).size, rows.length);
  for (const row of rows) {
    ok(/^[A-Z][A-Z_]+$/.test(row.name) && row.meaning !== "" && row.format.rule !== "");
    if (row.default !== null) ok(row.format.parse(row.default) !== undefined, row.name);
  }
});

Deno.test("readEnvironment() reads the settings of the table and nothing else", () => {
  deepEqual(Object.keys(readEnvironment()), Object.values(settings).map((row) => row.name));
});
