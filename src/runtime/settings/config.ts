/**
 * The environment as one frozen {@link Config}. It is read once, and all invalid settings are reported at once.
 *
 * A new setting is a row of `rows.ts`, a member of {@link Config} and a row in docs/settings.md.
 *
 * @module
 */
import {
  type BlockedBuyers,
  type BuyerKey,
  type Rate,
  type Scope,
  scopes,
  type TokenConfig,
} from "./access.ts";
import type { Format, LogLevel } from "./format.ts";
import { type Key, relations, type Values } from "./relations.ts";
import { type Setting, settings } from "./rows.ts";

import { ConfigError, readEnvironment, type SettingProblem } from "./environment.ts";

export { ConfigError, readEnvironment, scopes, settings };
export type { BlockedBuyers, BuyerKey, Format, LogLevel, Rate, Scope, Setting, SettingProblem, TokenConfig };

/** Access: open (on loopback only), or with tokens. */
export type AccessConfig =
  | { readonly kind: "open" }
  | { readonly kind: "tokens"; readonly tokens: readonly TokenConfig[] };

/** Stores of stock and ledger. */
export type StoreConfig =
  | { readonly kind: "embedded"; readonly dataDir: string; readonly demoStock: boolean }
  /** URLs may hold passwords: never log them. Several Redis URLs: one Redis Cluster. `deploymentId`: null = any. */
  | {
    readonly kind: "redis";
    readonly redisUrls: readonly string[];
    readonly databaseUrl: string | null;
    readonly deploymentId: string | null;
    /** Null = the ledger reads the log from Redis, without Kafka. */
    readonly kafka: KafkaConfig | null;
  };

/** Connection to Kafka. */
export interface KafkaConfig {
  /** `host:port` or `[ipv6]:port` of some brokers, from which the others are discovered. */
  readonly brokers: readonly string[];
  /** Whether connections are encrypted, with the broker's certificate checked. */
  readonly tls: boolean;
  /** File with trusted CA certificates, PEM; null = the system's. */
  readonly caFile: string | null;
  /** Credentials; null = no authentication. Never log them. */
  readonly sasl: KafkaSasl | null;
}

/** A user of Kafka. */
export interface KafkaSasl {
  /** Kafka's name for it, in lower case. */
  readonly mechanism: "plain" | "scram-sha-256" | "scram-sha-512";
  /** The user. */
  readonly username: string;
  /** Its password. */
  readonly password: string;
}

/** Rules of fair sales in addition to the limits that the store decides. All are off by default. */
export interface FairPlayConfig {
  /** Rate limit per buyer; null = off. */
  readonly rateLimit: (Rate & { readonly by: BuyerKey }) | null;
  /** Number of trusted proxies that set `X-Forwarded-For`. */
  readonly trustedProxies: number;
  /** Blocked buyers; null = off. */
  readonly blocked: BlockedBuyers | null;
  /** Keys of purchase tokens: the first signs, all verify; null = off. Never log them. */
  readonly purchaseTokenKeys: readonly string[] | null;
}

/** Telemetry of the process: receiver and sampling. */
export interface TelemetryConfig {
  /** Base URL of an OTLP/HTTP receiver; null = Deno's own OpenTelemetry exports. May contain a password. */
  readonly endpoint: string | null;
  /** Headers of every export. Never log them. */
  readonly headers: Readonly<Record<string, string>>;
  /** `service.name`; null = derived from namespace and program. */
  readonly serviceName: string | null;
  /** More attributes of the resource. */
  readonly resource: Readonly<Record<string, string>>;
  /** Fraction of the traces that begin here and are exported, 0..1. */
  readonly traceRatio: number;
  /** A longer request is exported in any case, ms. */
  readonly traceSlowMs: number;
  /** Sampling in this process, or in a Collector that gets all traces. */
  readonly traceSampling: "head" | "collector";
  /** Every trace is exported for `forS` seconds of each `everyS`; null = never. */
  readonly traceFull: { readonly everyS: number; readonly forS: number } | null;
}

/** One process's settings. */
export interface Config {
  /** Listen address; an IPv6 address without brackets. */
  readonly host: string;
  /** Listen port; 0 = any free one. */
  readonly port: number;
  readonly store: StoreConfig;
  /** Fixed for a deployment. */
  readonly shards: number;
  /** Names keys, schema and topic. */
  readonly namespace: string;
  readonly access: AccessConfig;
  /** One accepted deduct per user and SKU in this time; 0 = off. */
  readonly userLimitMs: number;
  /** Minimum time for which an order id is remembered, seconds. */
  readonly idempotencyWindowS: number;
  /** Order lines older than this may be deleted, days. */
  readonly retentionDays: number;
  /** Movements older than this become opening balances, days; 0 = never. */
  readonly movementsRetentionDays: number;
  /** Time within which a worker compares every SKU with the ledger, minutes; 0 = off. */
  readonly reconcileMinutes: number;
  /** Commands in one call to the store. */
  readonly batchMax: number;
  /** Requests that wait in one process. */
  readonly queueMax: number;
  /** Open connections of one process; at this number all are closed. */
  readonly connectionsMax: number;
  /** Sales of a shard that wait for the ledger. */
  readonly backlogMax: number;
  /** Time within which a request may take effect, ms. */
  readonly requestTimeoutMs: number;
  /** Time for which a stopping process waits for its requests, ms. */
  readonly drainTimeoutMs: number;
  /** Time for which a stopping process still serves while it is not ready, ms. */
  readonly drainDelayMs: number;
  /** Policy when the servers do not keep every guarantee. */
  readonly durability: "report" | "strict";
  /** Time without an acknowledgement after which responses no longer wait for a replica, ms. */
  readonly replicaTimeoutMs: number;
  /** The least severe line that is logged. */
  readonly logLevel: LogLevel;
  /** Telemetry; null = none. */
  readonly telemetry: TelemetryConfig | null;
  readonly fairPlay: FairPlayConfig;
  /** Web origins whose pages may call the API; null = off. */
  readonly corsOrigins: readonly string[] | null;
  /** Parameters of URLs without effect here, as `<setting>: <parameter>`; logged once. */
  readonly ignored: readonly string[];
}

/**
 * Parses the environment. An empty variable counts as unset, as compose files write it so.
 *
 * @throws {ConfigError} with every problem
 */
export function loadConfig(env: Readonly<Record<string, string | undefined>>): Config {
  const problems: SettingProblem[] = [];
  const bad = new Set<Key>();
  const blame = (key: Key, rule: string) => {
    const setting: Setting<unknown> = settings[key];
    bad.add(key);
    const text = written(env, setting);
    problems.push({ name: setting.name, rule, value: setting.secret && text !== null ? undefined : text });
  };

  const parsed: Partial<Record<Key, unknown>> = {};
  const ignored: string[] = [];
  for (const key of Object.keys(settings) as Key[]) {
    const { format, ...setting }: Setting<unknown> = settings[key];
    const text = written(env, setting);
    parsed[key] = text === null ? null : format.parse(text);
    if (parsed[key] === undefined) blame(key, format.explain?.(text ?? "") ?? format.rule);
    else if (text !== null) {
      ignored.push(...(format.ignored?.(text) ?? []).map((parameter) => `${setting.name}: ${parameter}`));
    }
  }
  const values = parsed as Values; // whole, but for the keys in `bad`, which nothing below reads
  for (const { of, rule, holds } of relations) {
    if (!of.some((key) => bad.has(key)) && !holds(values)) blame(of[0], rule);
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return deepFreeze({ ...toConfig(values), ignored });
}

/** The variable as it stands, or its default. */
function written(
  env: Readonly<Record<string, string | undefined>>,
  setting: Pick<Setting<unknown>, "name" | "default">,
) {
  return env[setting.name] || setting.default;
}

function toConfig(values: Values): Omit<Config, "ignored"> {
  const { redisUrls, databaseUrl, deploymentId, dataDir, demoStock, tokens, ...unserved } = values;
  const { denoServeAddress: _, ...unnamed } = unserved;
  const { kafkaBrokers, kafkaTls, kafkaCaFile, kafkaSasl, kafkaUsername, kafkaPassword, ...others } = unnamed;
  const { rateLimit, rateLimitBy, trustProxy, blocked, purchaseTokenKeys, ...more } = others;
  const { otlpEndpoint, otelEndpoint, otelHeaders, otelServiceName, otelResource, ...unsent } = more;
  const { denoOtel, denoDeploy, ...traces } = unsent;
  const { traceRatio, traceSlowMs, traceSampling, traceFullEvery, traceFullFor, host, ...rest } = traces;
  // Deno refuses a second SDK in addition to its own.
  const isDenos = denoOtel === "true" || denoDeploy !== null;
  const endpoint = isDenos ? null : otlpEndpoint ?? otelEndpoint;
  return {
    ...rest,
    // HOST has no meaning there: every request has passed Deploy's own proxy.
    host: denoDeploy === null ? host : "0.0.0.0",
    telemetry: endpoint === null && !isDenos ? null : {
      endpoint,
      headers: otelHeaders ?? {},
      serviceName: otelServiceName,
      resource: otelResource ?? {},
      traceRatio,
      traceSlowMs,
      traceSampling,
      traceFull: traceFullEvery === null || traceFullFor === null
        ? null
        : { everyS: traceFullEvery, forS: traceFullFor },
    },
    fairPlay: {
      rateLimit: rateLimit === null ? null : { ...rateLimit, by: rateLimitBy },
      trustedProxies: trustProxy,
      blocked,
      purchaseTokenKeys,
    },
    store: redisUrls === null ? { kind: "embedded", dataDir, demoStock: demoStock === "1" } : {
      kind: "redis",
      redisUrls,
      databaseUrl,
      deploymentId,
      kafka: kafkaBrokers === null ? null : {
        brokers: kafkaBrokers,
        tls: kafkaTls === "1",
        caFile: kafkaCaFile,
        sasl: kafkaSasl === null
          ? null
          : { mechanism: kafkaSasl, username: kafkaUsername ?? "", password: kafkaPassword ?? "" },
      },
    },
    access: tokens === null ? { kind: "open" } : { kind: "tokens", tokens },
  };
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== "object" || value === null) return value;
  Object.values(value).forEach(deepFreeze);
  return Object.freeze(value);
}
