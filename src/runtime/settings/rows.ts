/**
 * Every variable of the environment: its name, its default, and how it is written.
 *
 * @module
 */
import { apiTokens, blockList, type BuyerKey, origins, rate, signingKeys } from "./access.ts";
import {
  anyText,
  databaseUrl,
  hostName,
  identifier,
  integer,
  kafkaBrokers,
  type LogLevel,
  oneOf,
  path,
  pemFile,
  plainText,
  redisUrls,
  type Setting,
  uuid,
} from "./format.ts";
import { telemetrySettings } from "./telemetry.ts";

export type { Setting };

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
    meaning: "JSON: token or `sha256:<hex>` → `{name, scopes}`; unset = open, on loopback only",
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
  connectionsMax: {
    name: "CONNECTIONS_MAX",
    default: "10000",
    meaning: "open connections of one API process; at this number all are closed",
    format: integer(16, 1_000_000),
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
  drainDelayMs: {
    name: "DRAIN_DELAY_MS",
    default: "0",
    meaning: "how long a stopping process goes on serving while `/readyz` says 503",
    format: integer(0, 60_000),
  },
  denoServeAddress: {
    name: "DENO_SERVE_ADDRESS",
    default: null,
    meaning:
      "Deno's own: overrules `HOST` and `PORT`; without `API_TOKENS` only `tcp:127.0.0.1:<port>` is accepted",
    format: anyText(),
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
  ...telemetrySettings,
  corsOrigins: {
    name: "CORS_ORIGINS",
    default: null,
    meaning: "web origins whose pages may call the API, comma-separated; unset = none",
    format: origins(),
  },
} as const satisfies Readonly<Record<string, Setting<unknown>>>;
