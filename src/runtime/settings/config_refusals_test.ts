import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { ConfigError, loadConfig, readEnvironment } from "./config.ts";
import { type Env, namesOf, problemsOf, strongToken } from "../../../tests/runtime/refused_env.ts";

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
