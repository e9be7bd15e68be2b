/**
 * Every variable of the environment: its name, its default, and how it is written.
 *
 * @module
 */
import { apiTokens, blockList, type BuyerKey, origins, rate, signingKeys } from "./config_access.ts";
import {
  anyText,
  databaseUrl,
  type Format,
  hostName,
  httpUrl,
  identifier,
  integer,
  kafkaBrokers,
  keyValues,
  type LogLevel,
  oneOf,
  path,
  pemFile,
  plainText,
  ratio,
  redisUrls,
  uuid,
} from "./config_format.ts";

/** One variable of the environment. */
export interface Setting<T> {
  /** The variable. */
  readonly name: string;
  /** As it would be written; null when unset means something of its own. */
  readonly default: string | null;
  /** For README. */
  readonly meaning: string;
  /** How it is written. */
  readonly format: Format<T>;
  /** May hold a password: its value is never printed. */
  readonly secret?: true;
}

/** Every setting. README's table holds the same rows. */
export const settings = {
  host: { name: "HOST", default: "127.0.0.1", meaning: "listen address", format: hostName() },
  port: { name: "PORT", default: "8080", meaning: "listen port, 0 = a free one", format: integer(0, 65_535) },
  dataDir: { name: "DATA_DIR", default: "./data", meaning: "embedded: the ledger's folder", format: path() },
  redisUrls: {
    name: "REDIS_URL",
    default: null,
    meaning: "`redis://…` or `rediss://…`; unset = embedded",
    format: redisUrls(),
    secret: true,
  },
  databaseUrl: {
    name: "DATABASE_URL",
    default: null,
    meaning: "PostgreSQL; without it the API runs and the worker refuses; unset = embedded",
    format: databaseUrl(),
    secret: true,
  },
  deploymentId: { name: "DEPLOYMENT_ID", default: null, meaning: "the ledger's id", format: uuid() },
  kafkaBrokers: {
    name: "KAFKA_BROKERS",
    default: null,
    meaning:
      "worker: log by way of the topic `<NAMESPACE>.events`, `host:port`, comma-separated; unset = without",
    format: kafkaBrokers(),
    secret: true, // a URL with a password, written here by mistake, must not be printed
  },
  kafkaTls: {
    name: "KAFKA_TLS",
    default: "0",
    meaning: "`1`: connections to Kafka are encrypted, and the brokers' certificates are checked",
    format: oneOf<"0" | "1">(["0", "1"]),
  },
  kafkaCaFile: {
    name: "KAFKA_CA_FILE",
    default: null,
    meaning: "certificates that sign the brokers' own, PEM; unset = the system's",
    format: pemFile(),
  },
  kafkaSasl: {
    name: "KAFKA_SASL",
    default: null,
    meaning: "`plain` (with `KAFKA_TLS=1` only), `scram-sha-256` or `scram-sha-512`; unset = no login",
    format: oneOf<"plain" | "scram-sha-256" | "scram-sha-512">(["plain", "scram-sha-256", "scram-sha-512"]),
  },
  kafkaUsername: {
    name: "KAFKA_USERNAME",
    default: null,
    meaning: "the worker's user on Kafka",
    format: plainText(),
  },
  kafkaPassword: {
    name: "KAFKA_PASSWORD",
    default: null,
    meaning: "its password",
    format: plainText(),
    secret: true,
  },
  shards: { name: "SHARDS", default: "1", meaning: "fixed for a deployment", format: integer(1, 1024) },
  namespace: {
    name: "NAMESPACE",
    default: "inventory",
    meaning: "names keys, schema and topic",
    format: identifier(),
  },
  tokens: {
    name: "API_TOKENS",
    default: null,
    meaning: "JSON: token → scopes, or token → `{name, scopes}`; unset = open, on loopback only",
    format: apiTokens(),
    secret: true,
  },
  userLimitMs: {
    name: "USER_LIMIT_MS",
    default: "1000",
    meaning: "one accepted deduct per user and SKU in this time, 0 = off",
    format: integer(0, 86_400_000),
  },
  idempotencyWindowS: {
    name: "IDEMPOTENCY_WINDOW_S",
    default: "86400",
    meaning: "how long an order id is remembered at least",
    format: integer(60, 2_592_000),
  },
  retentionDays: {
    name: "RETENTION_DAYS",
    default: "400",
    meaning: "order lines older than this may be deleted, never inside the window",
    format: integer(1, 36_500),
  },
  batchMax: {
    name: "BATCH_MAX",
    default: "256",
    meaning: "commands in one call to the store",
    format: integer(1, 512),
  },
  queueMax: {
    name: "QUEUE_MAX",
    default: "10000",
    meaning: "requests that wait in one process; beyond it 503",
    format: integer(1, 1_000_000),
  },
  backlogMax: {
    name: "BACKLOG_MAX",
    default: "1000000",
    meaning: "sales of a shard that wait for the ledger; beyond it 503",
    format: integer(1, 100_000_000),
  },
  requestTimeoutMs: {
    name: "REQUEST_TIMEOUT_MS",
    default: "2000",
    meaning: "until when a request may take effect",
    format: integer(50, 30_000),
  },
  drainTimeoutMs: {
    name: "DRAIN_TIMEOUT_MS",
    default: "4000", // platforms send SIGKILL 5 s after the first signal
    meaning: "how long a stopping process waits for its requests",
    format: integer(100, 60_000),
  },
  durability: {
    name: "DURABILITY",
    default: "report",
    meaning: "when the servers cannot keep every promise: `report` it and sell, or `strict`: sell nothing",
    format: oneOf<"report" | "strict">(["report", "strict"]),
  },
  replicaTimeoutMs: {
    name: "REPLICA_TIMEOUT_MS",
    default: "5000",
    meaning:
      "worker: a replica that acknowledges nothing for this long is not waited for, and a promise is off",
    format: integer(3_000, 10_000),
  },
  logLevel: {
    name: "LOG_LEVEL",
    default: "info",
    meaning: "`debug`, `info`, `warn` or `error`",
    format: oneOf<LogLevel>(["debug", "info", "warn", "error"]),
  },
  demoStock: {
    name: "DEMO_STOCK",
    default: "1",
    meaning: "embedded, empty folder: `SKU_123` starts with 1000 units",
    format: oneOf<"0" | "1">(["0", "1"]),
  },
  rateLimit: {
    name: "RATE_LIMIT",
    default: null,
    meaning: "`<commands>/<seconds>` that one buyer may ask for, e.g. `20/1`; unset = off",
    format: rate(),
  },
  rateLimitBy: {
    name: "RATE_LIMIT_BY",
    default: "address",
    meaning: "who is one buyer: `address` (IPv6: its /64) or `user_id` (without one, the order)",
    format: oneOf<BuyerKey>(["address", "user_id"]),
  },
  trustProxy: {
    name: "TRUST_PROXY",
    default: "0",
    meaning: "proxies in front, whose `X-Forwarded-For` tells the buyer's address; 0 = none",
    format: integer(0, 8),
  },
  blocked: {
    name: "BLOCKED",
    default: null,
    meaning: "who may not buy, comma-separated: addresses, networks (CIDR), `user:<id>`; unset = nobody",
    format: blockList(),
  },
  purchaseTokenKeys: {
    name: "PURCHASE_TOKEN_KEY",
    default: null,
    meaning: "signs purchase tokens; several, comma-separated: the first signs, all are known; unset = off",
    format: signingKeys(),
    secret: true,
  },
  otlpEndpoint: {
    name: "OTLP_ENDPOINT",
    default: null,
    meaning:
      "traces, metrics and logs go to this OTLP/HTTP receiver, e.g. `http://127.0.0.1:4318`; unset = nowhere",
    format: httpUrl(),
    secret: true,
  },
  otelEndpoint: {
    name: "OTEL_EXPORTER_OTLP_ENDPOINT",
    default: null,
    meaning: "OpenTelemetry's own name of it",
    format: httpUrl(),
    secret: true,
  },
  otelHeaders: {
    name: "OTEL_EXPORTER_OTLP_HEADERS",
    default: null,
    meaning: "headers for the receiver, `name=value`, comma-separated, percent-encoded; unset = none",
    format: keyValues(),
    secret: true,
  },
  otelServiceName: {
    name: "OTEL_SERVICE_NAME",
    default: null,
    meaning: "`service.name` of what is sent; unset = `<NAMESPACE>-api` or `-worker`",
    format: plainText(),
  },
  otelResource: {
    name: "OTEL_RESOURCE_ATTRIBUTES",
    default: null,
    meaning: "more attributes of what is sent, written as the headers are; unset = none",
    format: keyValues(),
  },
  traceRatio: {
    name: "TRACE_RATIO",
    default: "0.01",
    meaning: "traces that begin here and are kept; the caller's decision counts for the others",
    format: ratio(),
  },
  traceSlowMs: {
    name: "TRACE_SLOW_MS",
    default: "250",
    meaning: "a request that takes longer is kept, as is one that fails, whatever the ratio",
    format: integer(1, 60_000),
  },
  traceSampling: {
    name: "TRACE_SAMPLING",
    default: "head",
    meaning: "`head`: sampled here; `collector`: all are sent, to a Collector that samples",
    format: oneOf<"head" | "collector">(["head", "collector"]),
  },
  traceFullEvery: {
    name: "TRACE_FULL_EVERY",
    default: null,
    meaning: "seconds; this often every trace is kept for a while; unset = never",
    format: integer(2, 86_400),
  },
  traceFullFor: {
    name: "TRACE_FULL_FOR",
    default: null,
    meaning: "seconds; for how long",
    format: integer(1, 86_399),
  },
  denoOtel: {
    name: "OTEL_DENO",
    default: null,
    meaning: "`true`: Deno's own OpenTelemetry is on, and Holdfast's spans go under its spans",
    format: anyText(),
  },
  denoDeploy: {
    name: "DENO_DEPLOY",
    default: null,
    meaning: "set on Deno Deploy, which has the same on",
    format: anyText(),
  },
  corsOrigins: {
    name: "CORS_ORIGINS",
    default: null,
    meaning: "web origins whose pages may call the API, comma-separated; unset = none",
    format: origins(),
  },
} as const satisfies Readonly<Record<string, Setting<unknown>>>;
