import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  ConfigError,
  loadConfig,
  readEnvironment,
  type Setting,
  type SettingProblem,
  settings,
} from "./config.ts";

type Env = Record<string, string | undefined>;

function problemsOf(env: Env): readonly SettingProblem[] {
  try {
    loadConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

function namesOf(env: Env): string[] {
  return problemsOf(env).map((problem) => problem.name);
}

/** Accepted beyond loopback. */
const strongToken = JSON.stringify({ ["t".repeat(22)]: { name: "shop", scopes: ["read", "deduct"] } });

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

Deno.test("loadConfig() knows tokens by their digests and keeps none of them", () => {
  const tokens = {
    "shop-secret": ["deduct", "read"],
    "office-secret": { name: "office", scopes: ["admin"] },
  };
  const { access } = loadConfig({ API_TOKENS: JSON.stringify(tokens) });
  const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
  deepEqual(access, {
    kind: "tokens",
    tokens: [
      {
        name: "token-1",
        scopes: ["deduct", "read"],
        sha256: sha256("shop-secret"),
        isWeak: true,
      },
      { name: "office", scopes: ["admin"], sha256: sha256("office-secret"), isWeak: true },
    ],
  });
});

Deno.test("loadConfig() takes the digest of a token in its place", () => {
  const sha256 = createHash("sha256").update("shop-secret").digest("hex");
  const tokensOf = (text: string) => {
    const { access } = loadConfig({ API_TOKENS: text });
    return access.kind === "tokens" ? access.tokens : [];
  };
  for (const digest of [sha256, sha256.toUpperCase()]) {
    deepEqual(tokensOf(`{"sha256:${digest}":{"name":"shop","scopes":["return","tokens"]}}`), [
      { name: "shop", scopes: ["return", "tokens"], sha256, isWeak: false },
    ]);
  }
  for (const digest of ["", "x", sha256.slice(1), `${sha256}0`, ` ${sha256}`, sha256.replace(/./, "g")]) {
    deepEqual(namesOf({ API_TOKENS: `{"sha256:${digest}":["read"]}` }), ["API_TOKENS"], digest);
  }
  const both = JSON.stringify({ "shop-secret": ["read"], [`sha256:${sha256}`]: ["admin"] });
  deepEqual(namesOf({ API_TOKENS: both }), ["API_TOKENS"], "one token twice");
});

Deno.test("loadConfig() takes tokens that are short or unnamed on loopback only", () => {
  const chars = (count: number) => "t".repeat(count);
  const named = (token: string) => JSON.stringify({ [token]: { name: "shop", scopes: ["read"] } });
  const beyond: Record<string, string>[] = [
    { HOST: "0.0.0.0" },
    { HOST: "::" },
    { DENO_SERVE_ADDRESS: "tcp:0.0.0.0:8080" },
    { DENO_SERVE_ADDRESS: "duplicate,tcp:127.0.0.1:8080" },
    { DENO_DEPLOY: "1", REDIS_URL: "redis://a" },
  ];
  const weak = [
    named(chars(21)),
    `{"${chars(22)}":["read"]}`,
    JSON.stringify({ ...JSON.parse(named(chars(22))), [chars(23)]: ["read"] }),
    `{"sha256:${"0".repeat(64)}":["read"]}`,
  ];
  const strong = [named(chars(22)), named(`sha256:${"0".repeat(64)}`)];
  for (const API_TOKENS of weak) {
    deepEqual(namesOf({ API_TOKENS }), []);
    deepEqual(namesOf({ API_TOKENS, DENO_SERVE_ADDRESS: "tcp:127.0.0.1:8080" }), []);
    for (const address of beyond) deepEqual(namesOf({ ...address, API_TOKENS }), ["API_TOKENS"], API_TOKENS);
  }
  for (const API_TOKENS of strong) {
    for (const address of beyond) deepEqual(namesOf({ ...address, API_TOKENS }), [], API_TOKENS);
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

Deno.test("loadConfig() refuses tokens that are not as they must be", () => {
  const many = Object.fromEntries(Array.from({ length: 101 }, (_, i) => [`t${i}`, ["read"]]));
  const wrong = [
    "x",
    "{}",
    "[]",
    "null",
    '"t"',
    '{"t":[]}',
    '{"t":["write"]}',
    '{"t":"read"}',
    '{"":["read"]}',
    '{"a b":["read"]}',
    '{"ä":["read"]}',
    '{"t":{"name":"n"}}',
    '{"t":{"name":"","scopes":["read"]}}',
    '{"t":{"name":"a\\nb","scopes":["read"]}}',
    '{"t":{"name":null,"scopes":["read"]}}',
    '{"t":{"name":"cli:alice","scopes":["read"]}}',
    '{"t":{"scopes":["read"],"more":1}}',
    '{"good":["read"],"t":null}',
    JSON.stringify(many),
  ];
  for (const value of wrong) deepEqual(namesOf({ API_TOKENS: value }), ["API_TOKENS"], value);
});

Deno.test("loadConfig() leaves loopback only with tokens", () => {
  const token = strongToken;
  for (const host of ["127.0.0.1", "127.8.9.1", "localhost", "::1", "[::1]"]) {
    deepEqual(namesOf({ HOST: host }), [], host);
  }
  for (
    const host of [
      "0.0.0.0",
      "::",
      "10.0.0.7",
      "shop.example",
      "127.evil.example",
      "localhost.example",
      "fe80::1%eth0",
    ]
  ) {
    deepEqual(namesOf({ HOST: host }), ["HOST"], host);
    deepEqual(namesOf({ HOST: host, API_TOKENS: token }), [], host);
  }
  for (const host of ["a b", "127.0.0.1:80", "http://a", "a/b", "x".repeat(254)]) {
    deepEqual(namesOf({ HOST: host, API_TOKENS: token }), ["HOST"], host);
  }
});

Deno.test("loadConfig() holds settings against one another and says why", () => {
  const kafka = { REDIS_URL: "redis://r", KAFKA_BROKERS: "k:9092" };
  const cases: readonly (readonly [Env, string, RegExp])[] = [
    [{ DATABASE_URL: "postgres://u@db/x" }, "DATABASE_URL", /unset without REDIS_URL, because/],
    [
      { REDIS_URL: "redis://r", PURCHASE_TOKEN_KEY: "k".repeat(32) },
      "PURCHASE_TOKEN_KEY",
      /unset with REDIS_URL but neither DATABASE_URL nor DEPLOYMENT_ID, because/,
    ],
    [{ QUEUE_MAX: "100" }, "QUEUE_MAX", /at least BATCH_MAX, because/],
    [
      { RETENTION_DAYS: "1", IDEMPOTENCY_WINDOW_S: "86401" },
      "RETENTION_DAYS",
      /at least IDEMPOTENCY_WINDOW_S, because/,
    ],
    [
      { MOVEMENTS_RETENTION_DAYS: "399" },
      "MOVEMENTS_RETENTION_DAYS",
      /0, or at least RETENTION_DAYS, because/,
    ],
    [{ REQUEST_TIMEOUT_MS: "4001" }, "DRAIN_TIMEOUT_MS", /at least REQUEST_TIMEOUT_MS, because/],
    [
      { IDEMPOTENCY_WINDOW_S: "60", USER_LIMIT_MS: "60001" },
      "USER_LIMIT_MS",
      /IDEMPOTENCY_WINDOW_S, because/,
    ],
    [
      { ...kafka, KAFKA_SASL: "plain", KAFKA_USERNAME: "u", KAFKA_PASSWORD: "p" },
      "KAFKA_TLS",
      /1 when KAFKA_SASL is plain/,
    ],
    [
      { ...kafka, KAFKA_SASL: "scram-sha-256", KAFKA_USERNAME: "u" },
      "KAFKA_PASSWORD",
      /set together with KAFKA_SASL/,
    ],
    [{ ...kafka, KAFKA_USERNAME: "u" }, "KAFKA_USERNAME", /or be unset with it/],
    [{ TRACE_FULL_FOR: "60" }, "TRACE_FULL_FOR", /set together with TRACE_FULL_EVERY/],
    [{ TRACE_FULL_EVERY: "60" }, "TRACE_FULL_FOR", /or be unset with it/],
    [{ TRACE_FULL_EVERY: "60", TRACE_FULL_FOR: "60" }, "TRACE_FULL_FOR", /shorter/],
  ];
  for (const [env, name, rule] of cases) {
    const [problem, ...others] = problemsOf(env);
    deepEqual([problem?.name, others], [name, []]);
    ok(rule.test(problem?.rule ?? ""), problem?.rule);
  }
});

Deno.test("OTLP: an endpoint with white space, headers and attributes that are no pairs are refused", () => {
  const telemetry = loadConfig({
    OTLP_ENDPOINT: "http://h:4999",
    OTEL_EXPORTER_OTLP_HEADERS: "authorization=Bearer%20abc, x=1",
    OTEL_SERVICE_NAME: "shop",
    OTEL_RESOURCE_ATTRIBUTES: "deployment.environment.name=live",
  }).telemetry;
  deepEqual(telemetry?.headers, { authorization: "Bearer abc", x: "1" });
  deepEqual([telemetry?.serviceName, telemetry?.resource], ["shop", {
    "deployment.environment.name": "live",
  }]);
  deepEqual(namesOf({ OTLP_ENDPOINT: "http://h:4999 " }), ["OTLP_ENDPOINT"]);
  deepEqual(namesOf({ OTEL_EXPORTER_OTLP_HEADERS: "a=%zz" }), ["OTEL_EXPORTER_OTLP_HEADERS"]);
  deepEqual(namesOf({ OTEL_RESOURCE_ATTRIBUTES: "a" }), ["OTEL_RESOURCE_ATTRIBUTES"]);
});

Deno.test("BLOCKED: an IPv4 network in IPv6 form that would hold all of IPv4 is refused", () => {
  deepEqual(namesOf({ BLOCKED: "::ffff:203.0.113.0/24" }), ["BLOCKED"]);
  deepEqual(namesOf({ BLOCKED: "::ffff:203.0.113.0/120,203.0.113.0/24,::/0" }), []);
});

Deno.test("a secret may stand in a file; one that cannot be read, or is set twice, is named", () => {
  const file = Deno.makeTempFileSync();
  Deno.writeTextFileSync(file, "postgres://u:p@db/x\n");
  const withEnv = (env: Env, use: () => void) => {
    const before = Object.keys(env).map((name) => [name, Deno.env.get(name)] as const);
    for (const [name, value] of Object.entries(env)) if (value !== undefined) Deno.env.set(name, value);
    try {
      use();
    } finally {
      for (const [name, value] of before) {
        value === undefined ? Deno.env.delete(name) : Deno.env.set(name, value);
      }
    }
  };
  withEnv({ DATABASE_URL_FILE: file }, () => equal(readEnvironment().DATABASE_URL, "postgres://u:p@db/x"));
  withEnv({ DATABASE_URL_FILE: `${file}.missing` }, () => {
    throws(readEnvironment, /DATABASE_URL_FILE must be a file of at most 131072 bytes that can be read/);
  });
  withEnv({ DATABASE_URL_FILE: file, DATABASE_URL: "postgres://u@db/y" }, () => {
    throws(readEnvironment, /DATABASE_URL_FILE must be unset while DATABASE_URL is set/);
  });
  Deno.removeSync(file);
});

Deno.test("on Deno Deploy the embedded default, open access and a late end are refused, with the reasons", () => {
  const usual = { DENO_DEPLOY: "true", REDIS_URL: "rediss://redis", API_TOKENS: strongToken };
  equal(loadConfig(usual).host, "0.0.0.0");
  deepEqual(namesOf({ ...usual, DATABASE_URL: "postgres://u@db/x" }), []);
  deepEqual(namesOf({ DENO_DEPLOY: "true" }), ["REDIS_URL", "API_TOKENS"]);
  deepEqual(namesOf({ ...usual, DRAIN_TIMEOUT_MS: "5000" }), ["DRAIN_TIMEOUT_MS"]);
  throws(
    () => loadConfig({ ...usual, REDIS_URL: "", DATABASE_URL: "postgres://u@db/x" }),
    (error: ConfigError) => {
      ok(
        error.message.includes("REDIS_URL must be set on Deno Deploy, because its instances share no memory"),
      );
      ok(error.message.endsWith("would sell the same stock: it is unset"));
      return true;
    },
  );
});

Deno.test("a ConfigError names everything that is wrong, with rule and value, but no secret", () => {
  const env = {
    PORT: "http",
    BATCH_MAX: "0",
    API_TOKENS: '{"hunter2":["everything"]}',
    REDIS_URL: "http://:hunter2@redis",
    DATABASE_URL: "mysql://root:hunter2@db/x",
    QUEUE_MAX: "-1",
  };
  throws(() => loadConfig(env), (error: ConfigError) => {
    deepEqual(error.problems.map(({ name, value }) => [name, value]), [
      ["PORT", "http"],
      ["REDIS_URL", undefined],
      ["DATABASE_URL", undefined],
      ["API_TOKENS", undefined],
      ["BATCH_MAX", "0"],
      ["QUEUE_MAX", "-1"],
    ]);
    ok(error.message.includes('\n  PORT must be an integer from 0 to 65535: current value is "http"\n'));
    ok(error.message.includes("current value is not shown"));
    ok(!JSON.stringify([error.message, error.problems, error.stack]).includes("hunter2"));
    return error instanceof ConfigError;
  });
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
