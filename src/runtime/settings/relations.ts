/**
 * Rules between settings, with their reasons.
 *
 * @module
 */
import { type Format, isLoopback, tokenCharsMin } from "./format.ts";
import type { settings } from "./rows.ts";

/** The table of settings. */
export type Settings = typeof settings;
/** The code's name of a setting. */
export type Key = keyof Settings;
/** The parsed value; null when unset has a meaning of its own. */
export type Parsed<S> = S extends { format: Format<infer T>; default: infer D }
  ? (D extends null ? T | null : T)
  : never;
/** The parsed value of every setting. */
export type Values = { readonly [K in Key]: Parsed<Settings[K]> };

/** A rule about two settings; reported for the first of them. */
export interface Relation {
  /** The settings. */
  readonly of: readonly [Key, Key];
  /** Continues the sentence after "must be". */
  readonly rule: string;
  /** Whether it holds. */
  readonly holds: (values: Values) => boolean;
}

/** Every rule. */
export const relations: readonly Relation[] = [
  {
    of: ["databaseUrl", "redisUrls"],
    rule: "unset without REDIS_URL, because the embedded default keeps its ledger in DATA_DIR",
    // Deno Deploy gives every app a DATABASE_URL; what it lacks there is REDIS_URL, see below.
    holds: ({ databaseUrl, redisUrls, denoDeploy }) =>
      databaseUrl === null || redisUrls !== null || denoDeploy !== null,
  },
  {
    of: ["redisUrls", "denoDeploy"],
    rule:
      "set on Deno Deploy, because its instances share no memory and keep no files: each would sell the same stock",
    holds: ({ redisUrls, denoDeploy }) => redisUrls !== null || denoDeploy === null,
  },
  {
    of: ["tokens", "denoDeploy"],
    rule:
      "set on Deno Deploy, because it chooses the address itself and everything would be open to every client",
    holds: ({ tokens, denoDeploy }) => tokens !== null || denoDeploy === null,
  },
  {
    of: ["purchaseTokenKeys", "databaseUrl"],
    rule:
      "unset with REDIS_URL but neither DATABASE_URL nor DEPLOYMENT_ID, because a token names its deployment",
    holds: ({ purchaseTokenKeys, redisUrls, databaseUrl, deploymentId }) =>
      purchaseTokenKeys === null || redisUrls === null || databaseUrl !== null || deploymentId !== null,
  },
  {
    of: ["kafkaBrokers", "redisUrls"],
    rule: "unset without REDIS_URL, because the embedded default has nothing to relay between",
    holds: ({ kafkaBrokers, redisUrls }) => kafkaBrokers === null || redisUrls !== null,
  },
  {
    of: ["kafkaSasl", "kafkaBrokers"],
    rule: "unset without KAFKA_BROKERS",
    holds: ({ kafkaSasl, kafkaBrokers }) => kafkaSasl === null || kafkaBrokers !== null,
  },
  {
    of: ["kafkaUsername", "kafkaSasl"],
    rule: "set together with KAFKA_SASL, or be unset with it",
    holds: ({ kafkaUsername, kafkaSasl }) => (kafkaUsername === null) === (kafkaSasl === null),
  },
  {
    of: ["kafkaPassword", "kafkaSasl"],
    rule: "set together with KAFKA_SASL, or be unset with it",
    holds: ({ kafkaPassword, kafkaSasl }) => (kafkaPassword === null) === (kafkaSasl === null),
  },
  {
    of: ["kafkaTls", "kafkaSasl"],
    rule: "1 when KAFKA_SASL is plain, because the password would be sent in clear",
    holds: ({ kafkaTls, kafkaSasl }) => kafkaSasl !== "plain" || kafkaTls === "1",
  },
  {
    of: ["kafkaCaFile", "kafkaTls"],
    rule: "unset while KAFKA_TLS is 0, because it would not be used",
    holds: ({ kafkaCaFile, kafkaTls }) => kafkaCaFile === null || kafkaTls === "1",
  },
  {
    of: ["host", "tokens"],
    rule: "a loopback address without API_TOKENS, because everything would be open to every client",
    holds: ({ host, tokens }) => tokens !== null || isLoopback(host),
  },
  {
    of: ["denoServeAddress", "tokens"],
    rule:
      "unset or tcp:127.0.0.1:<port> without API_TOKENS, because everything would be open to every client",
    // `duplicate,…` would listen there in addition to HOST.
    holds: ({ denoServeAddress, tokens }) => tokens !== null || !isServedElsewhere(denoServeAddress),
  },
  {
    of: ["tokens", "host"],
    rule:
      `tokens of at least ${tokenCharsMin} characters or sha256:<64 hex digits>, each with a name, beyond a loopback address`,
    holds: ({ tokens, host, denoServeAddress, denoDeploy }) =>
      !tokens?.some(({ isWeak }) => isWeak) ||
      isLoopback(host) && !isServedElsewhere(denoServeAddress) && denoDeploy === null,
  },
  {
    of: ["queueMax", "batchMax"],
    rule: "at least BATCH_MAX, because batches are filled from the queue",
    holds: ({ queueMax, batchMax }) => queueMax >= batchMax,
  },
  {
    of: ["drainTimeoutMs", "requestTimeoutMs"],
    rule: "at least REQUEST_TIMEOUT_MS, because draining waits for running requests",
    holds: ({ drainTimeoutMs, requestTimeoutMs }) => drainTimeoutMs >= requestTimeoutMs,
  },
  {
    of: ["drainTimeoutMs", "denoDeploy"],
    rule: "below 5000 on Deno Deploy, because it kills what has not stopped 5 s after the signal",
    holds: ({ drainTimeoutMs, denoDeploy }) => drainTimeoutMs < 5000 || denoDeploy === null,
  },
  {
    of: ["retentionDays", "idempotencyWindowS"],
    rule: "at least IDEMPOTENCY_WINDOW_S, because a rebuild fills the store's memory from the ledger's lines",
    holds: ({ retentionDays, idempotencyWindowS }) => retentionDays * 86_400 >= idempotencyWindowS,
  },
  {
    of: ["movementsRetentionDays", "retentionDays"],
    rule: "0, or at least RETENTION_DAYS, because order lines are proved by their movements",
    holds: ({ movementsRetentionDays, retentionDays }) =>
      movementsRetentionDays === 0 || movementsRetentionDays >= retentionDays,
  },
  {
    of: ["userLimitMs", "idempotencyWindowS"],
    rule: "at most IDEMPOTENCY_WINDOW_S, because a rebuild knows no older purchases",
    holds: ({ userLimitMs, idempotencyWindowS }) => userLimitMs <= idempotencyWindowS * 1000,
  },
  {
    of: ["traceFullFor", "traceFullEvery"],
    rule: "set together with TRACE_FULL_EVERY and shorter, or be unset with it",
    holds: ({ traceFullFor, traceFullEvery }) =>
      traceFullFor === null || traceFullEvery === null
        ? traceFullFor === traceFullEvery
        : traceFullFor < traceFullEvery,
  },
];

/** Whether Deno's own setting makes the process listen on another address than 127.0.0.1. */
function isServedElsewhere(denoServeAddress: string | null): boolean {
  return denoServeAddress !== null && !/^tcp:127\.0\.0\.1:\d{1,5}$/.test(denoServeAddress);
}
