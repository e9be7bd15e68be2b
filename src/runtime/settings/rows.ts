/**
 * Every variable of the environment: name, default and format.
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
import { limits } from "../../domain/command.ts";
import { telemetrySettings } from "./telemetry.ts";

export type { Setting };

/** Every setting. docs/settings.md holds the same rows. */
export const settings = {
  host: { name: "HOST", default: "127.0.0.1", meaning: "listen address", format: hostName() },
  port: {
    name: "PORT",
    default: "8080",
    meaning: "listen port; 0 = any free port",
    format: integer(0, 65_535),
  },
  dataDir: {
    name: "DATA_DIR",
    default: "./data",
    meaning: "embedded: directory of the ledger, on a local disk",
    format: path(),
  },
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
    meaning:
      "PostgreSQL; the worker requires it, the API for baskets of several shards and old orders; unset = embedded",
    format: databaseUrl(),
    secret: true,
  },
  deploymentId: {
    name: "DEPLOYMENT_ID",
    default: null,
    meaning: "expected id of the ledger",
    format: uuid(),
  },
  kafkaBrokers: {
    name: "KAFKA_BROKERS",
    default: null,
    meaning:
      "worker: brokers for the topic `<NAMESPACE>.events`, `host:port`, comma-separated; unset = no Kafka",
    format: kafkaBrokers(),
    secret: true, // a URL with a password, written here by mistake, must not be printed
  },
  kafkaTls: {
    name: "KAFKA_TLS",
    default: "0",
    meaning: "`1`: TLS to Kafka, with verified broker certificates",
    format: oneOf<"0" | "1">(["0", "1"]),
  },
  kafkaCaFile: {
    name: "KAFKA_CA_FILE",
    default: null,
    meaning: "CA certificates for the brokers, PEM; unset = those of the system",
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
    meaning: "password of `KAFKA_USERNAME`",
    format: plainText(),
    secret: true,
  },
  shards: {
    name: "SHARDS",
    default: "1",
    meaning: "number of shards; fixed for a deployment",
    format: integer(1, limits.shardsMax),
  },
  namespace: {
    name: "NAMESPACE",
    default: "inventory",
    meaning: "prefix of keys, schema and topic",
    format: identifier(),
  },
  tokens: {
    name: "API_TOKENS",
    default: null,
    meaning: "JSON: token or `sha256:<hex>` → `{name, scopes}`; unset = no authentication, loopback only",
    format: apiTokens(),
    secret: true,
  },
  userLimitMs: {
    name: "USER_LIMIT_MS",
    default: "1000",
    meaning: "one accepted deduct per user and SKU in this interval; 0 = off",
    format: integer(0, 86_400_000),
  },
  idempotencyWindowS: {
    name: "IDEMPOTENCY_WINDOW_S",
    default: "86400",
    meaning: "minimum time for which an order id is remembered",
    format: integer(60, 2_592_000),
  },
  retentionDays: {
    name: "RETENTION_DAYS",
    default: "400",
    meaning: "order lines older than this may be deleted, but never within the idempotency window",
    format: integer(1, 36_500),
  },
  movementsRetentionDays: {
    name: "MOVEMENTS_RETENTION_DAYS",
    default: "0",
    meaning:
      "movements older than this become opening balances, in whole ranges; at least RETENTION_DAYS; 0 = never",
    format: integer(0, 36_500),
  },
  reconcileMinutes: {
    name: "RECONCILE_MINUTES",
    default: "60",
    meaning: "worker: every SKU is compared with the ledger at least this often while it sells; 0 = off",
    format: integer(0, 1440),
  },
  batchMax: {
    name: "BATCH_MAX",
    default: "256",
    meaning: "commands per call to the store",
    format: integer(1, 512),
  },
  queueMax: {
    name: "QUEUE_MAX",
    default: "10000",
    meaning: "requests that wait in one process; more are refused with 503",
    format: integer(1, 1_000_000),
  },
  connectionsMax: {
    name: "CONNECTIONS_MAX",
    default: "10000",
    meaning: "open connections of one API process; at the limit all are closed",
    format: integer(16, 1_000_000),
  },
  backlogMax: {
    name: "BACKLOG_MAX",
    default: "1000000",
    meaning: "sales of a shard that wait for the ledger; more are refused with 503",
    format: integer(1, 100_000_000),
  },
  requestTimeoutMs: {
    name: "REQUEST_TIMEOUT_MS",
    default: "2000",
    meaning: "time within which a request may take effect",
    format: integer(50, 30_000),
  },
  drainTimeoutMs: {
    name: "DRAIN_TIMEOUT_MS",
    default: "4000", // platforms send SIGKILL 5 s after the first signal
    meaning: "time for which a stopping process waits for its requests",
    format: integer(100, 60_000),
  },
  drainDelayMs: {
    name: "DRAIN_DELAY_MS",
    default: "0",
    meaning: "time for which a stopping process still serves while `/readyz` returns 503",
    format: integer(0, 60_000),
  },
  denoServeAddress: {
    name: "DENO_SERVE_ADDRESS",
    default: null,
    meaning:
      "Deno's variable: overrides `HOST` and `PORT`; without `API_TOKENS` only `tcp:127.0.0.1:<port>` is accepted",
    format: anyText(),
  },
  durability: {
    name: "DURABILITY",
    default: "report",
    meaning: "if the servers cannot keep every guarantee: `report` it and sell, or `strict`: sell nothing",
    format: oneOf<"report" | "strict">(["report", "strict"]),
  },
  replicaTimeoutMs: {
    name: "REPLICA_TIMEOUT_MS",
    default: "5000",
    meaning:
      "worker: a replica without an acknowledgement for this long is no longer waited for, and a guarantee is off",
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
    meaning: "embedded, empty directory: `SKU_123` starts with 1000 units",
    format: oneOf<"0" | "1">(["0", "1"]),
  },
  rateLimit: {
    name: "RATE_LIMIT",
    default: null,
    meaning: "`<commands>/<seconds>` per buyer, e.g. `20/1`; unset = off",
    format: rate(),
  },
  rateLimitBy: {
    name: "RATE_LIMIT_BY",
    default: "address",
    meaning: "identity of a buyer: `address` (IPv6: its /64) or `user_id` (without one, the order)",
    format: oneOf<BuyerKey>(["address", "user_id"]),
  },
  trustProxy: {
    name: "TRUST_PROXY",
    default: "0",
    meaning: "number of proxies in front that set `X-Forwarded-For`; 0 = none",
    format: integer(0, 8),
  },
  blocked: {
    name: "BLOCKED",
    default: null,
    meaning: "blocked buyers, comma-separated: addresses, networks (CIDR), `user:<id>`; unset = none",
    format: blockList(),
  },
  purchaseTokenKeys: {
    name: "PURCHASE_TOKEN_KEY",
    default: null,
    meaning: "keys of purchase tokens, comma-separated: the first signs, all verify; unset = off",
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
