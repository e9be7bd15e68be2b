/**
 * The environment as one frozen {@link Config}. This file alone reads it, once, and reports everything
 * that is wrong at once: a report of one mistake a start takes as many starts as there are mistakes.
 *
 * A new setting is a row of `config_settings.ts`, a member of {@link Config} and a row in README.
 *
 * @module
 */
import {
  type BlockedBuyers,
  type BuyerKey,
  type Format,
  isLoopback,
  type LogLevel,
  type Rate,
  type Scope,
  type TokenConfig,
} from "./config_format.ts";
import { type Setting, settings } from "./config_settings.ts";

export { settings };
export type { BlockedBuyers, BuyerKey, Format, LogLevel, Rate, Scope, Setting, TokenConfig };

/** Who may ask: everybody (on loopback only), or who has a token. */
export type AccessConfig =
  | { readonly kind: "open" }
  | { readonly kind: "tokens"; readonly tokens: readonly TokenConfig[] };

/** Where stock and ledger live. */
export type StoreConfig =
  | { readonly kind: "embedded"; readonly dataDir: string; readonly demoStock: boolean }
  /** URLs may hold passwords: never log them. Several Redis URLs are nodes of one Redis Cluster. */
  | {
    readonly kind: "redis";
    readonly redisUrls: readonly string[];
    readonly databaseUrl: string | null;
    /** `host:port` each; null = the log goes from Redis to the ledger straight. */
    readonly kafkaBrokers: readonly string[] | null;
  };

/** What keeps a sale fair beyond the limits that the store decides. All of it is off by default. */
export interface FairPlayConfig {
  /** How fast one buyer may ask; null = off. */
  readonly rateLimit: (Rate & { readonly by: BuyerKey }) | null;
  /** Proxies in front whose `X-Forwarded-For` is believed. */
  readonly trustedProxies: number;
  /** Who may not buy; null = off. */
  readonly blocked: BlockedBuyers | null;
  /** Keys of purchase tokens: the first signs, all are known; null = off. Never log them. */
  readonly purchaseTokenKeys: readonly string[] | null;
}

/** What is told of the process, and where; which traces are kept. */
export interface TelemetryConfig {
  /** Base URL of an OTLP/HTTP receiver; null = Deno's own OpenTelemetry takes it. May hold a password. */
  readonly endpoint: string | null;
  /** Share of the traces that begin here and are kept, 0..1. */
  readonly traceRatio: number;
  /** A request that takes longer is kept in any case. */
  readonly traceSlowMs: number;
  /** Who samples: this process, or a Collector that gets all. */
  readonly traceSampling: "head" | "collector";
  /** Every trace is kept for `forS` seconds of each `everyS`; null = never. */
  readonly traceFull: { readonly everyS: number; readonly forS: number } | null;
}

/** One process's settings. */
export interface Config {
  /** Listen address; an IPv6 address without brackets. */
  readonly host: string;
  /** Listen port; 0 = any free one. */
  readonly port: number;
  /** Where stock and ledger live. */
  readonly store: StoreConfig;
  /** Fixed for a deployment. */
  readonly shards: number;
  /** Names keys, schema and topic. */
  readonly namespace: string;
  /** Who may ask. */
  readonly access: AccessConfig;
  /** One accepted deduct per user and SKU in this time; 0 = off. */
  readonly userLimitMs: number;
  /** How long an order id is remembered at least, seconds. */
  readonly idempotencyWindowS: number;
  /** Order lines older than this may be deleted, days. */
  readonly retentionDays: number;
  /** Commands in one call to the store. */
  readonly batchMax: number;
  /** Requests that wait in one process. */
  readonly queueMax: number;
  /** Sales of a shard that wait for the ledger. */
  readonly backlogMax: number;
  /** Until when a request may take effect. */
  readonly requestTimeoutMs: number;
  /** How long a stopping process waits for its requests. */
  readonly drainTimeoutMs: number;
  /** What to do when the servers cannot keep every promise. */
  readonly durability: "report" | "strict";
  /** How long a replica may acknowledge nothing before answers no longer wait for it, ms. */
  readonly replicaTimeoutMs: number;
  /** The least severe line that is logged. */
  readonly logLevel: LogLevel;
  /** What is told of the process; null = nothing. */
  readonly telemetry: TelemetryConfig | null;
  /** What keeps a sale fair. */
  readonly fairPlay: FairPlayConfig;
  /** Web origins whose pages may call the API; null = off. */
  readonly corsOrigins: readonly string[] | null;
}

type Settings = typeof settings;
type Key = keyof Settings;
type Parsed<S> = S extends { format: Format<infer T>; default: infer D } ? (D extends null ? T | null : T)
  : never;
type Values = { readonly [K in Key]: Parsed<Settings[K]> };

/** What must hold between settings, and why; blamed on the first of them. */
const relations: readonly { of: readonly [Key, Key]; rule: string; holds: (values: Values) => boolean }[] = [
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
      "set on Deno Deploy, because it chooses the address itself and everything would be open to everybody",
    holds: ({ tokens, denoDeploy }) => tokens !== null || denoDeploy === null,
  },
  {
    of: ["kafkaBrokers", "redisUrls"],
    rule: "unset without REDIS_URL, because the embedded default has nothing to relay between",
    holds: ({ kafkaBrokers, redisUrls }) => kafkaBrokers === null || redisUrls !== null,
  },
  {
    of: ["host", "tokens"],
    rule: "a loopback address without API_TOKENS, because everything would be open to everybody",
    holds: ({ host, tokens }) => tokens !== null || isLoopback(host),
  },
  {
    of: ["queueMax", "batchMax"],
    rule: "at least BATCH_MAX, because batches are filled from the queue",
    holds: ({ queueMax, batchMax }) => queueMax >= batchMax,
  },
  {
    of: ["drainTimeoutMs", "requestTimeoutMs"],
    rule: "at least REQUEST_TIMEOUT_MS, because draining waits for requests on their way",
    holds: ({ drainTimeoutMs, requestTimeoutMs }) => drainTimeoutMs >= requestTimeoutMs,
  },
  {
    of: ["drainTimeoutMs", "denoDeploy"],
    rule: "below 5000 on Deno Deploy, because it kills what has not stopped 5 s after it was told to",
    holds: ({ drainTimeoutMs, denoDeploy }) => drainTimeoutMs < 5000 || denoDeploy === null,
  },
  {
    of: ["retentionDays", "idempotencyWindowS"],
    rule: "at least IDEMPOTENCY_WINDOW_S, because a rebuild fills the store's memory from the ledger's lines",
    holds: ({ retentionDays, idempotencyWindowS }) => retentionDays * 86_400 >= idempotencyWindowS,
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

/** One thing that is wrong with the environment. */
export interface SettingProblem {
  /** The variable. */
  readonly name: string;
  /** Reads on after "must be". */
  readonly rule: string;
  /** The value as it may be printed; null when it is unset, undefined when it must not be printed. */
  readonly value: string | null | undefined;
}

/** The environment is not usable; says all that is wrong with it. */
export class ConfigError extends Error {
  /** The class, for logs. */
  override name = "ConfigError";

  /**
   * Puts all problems into one message.
   *
   * @param problems at least one
   */
  constructor(readonly problems: readonly SettingProblem[]) {
    const lines = problems.map(({ name, rule, value }) =>
      `  ${name} must be ${rule}: ${
        value === null
          ? "it is unset"
          : `current value is ${value === undefined ? "not shown" : JSON.stringify(value)}`
      }`
    );
    super(`Cannot start as the settings are not usable:\n${lines.join("\n")}`);
  }
}

/** The variables of {@link settings} as this process has them: no others, so no others need be allowed. */
export function readEnvironment(): Record<string, string | undefined> {
  return Object.fromEntries(Object.values(settings).map(({ name }) => [name, Deno.env.get(name)]));
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
  for (const key of Object.keys(settings) as Key[]) {
    const { format, ...setting }: Setting<unknown> = settings[key];
    const text = written(env, setting);
    parsed[key] = text === null ? null : format.parse(text);
    if (parsed[key] === undefined) blame(key, format.rule);
  }
  const values = parsed as Values; // whole, but for the keys in `bad`, which nothing below reads
  for (const { of, rule, holds } of relations) {
    if (!of.some((key) => bad.has(key)) && !holds(values)) blame(of[0], rule);
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return deepFreeze(toConfig(values));
}

/** The variable as it stands, or its default. */
function written(
  env: Readonly<Record<string, string | undefined>>,
  setting: Pick<Setting<unknown>, "name" | "default">,
) {
  return env[setting.name] || setting.default;
}

function toConfig(values: Values): Config {
  const { redisUrls, databaseUrl, kafkaBrokers, dataDir, demoStock, tokens, ...others } = values;
  const { rateLimit, rateLimitBy, trustProxy, blocked, purchaseTokenKeys, ...more } = others;
  const { otlpEndpoint, otelEndpoint, denoOtel, denoDeploy, ...traces } = more;
  const { traceRatio, traceSlowMs, traceSampling, traceFullEvery, traceFullFor, host, ...rest } = traces;
  // Deno would refuse a second SDK beside its own.
  const isDenos = denoOtel === "true" || denoDeploy !== null;
  const endpoint = isDenos ? null : otlpEndpoint ?? otelEndpoint;
  return {
    ...rest,
    // There HOST says nothing: whoever may come in has come through Deploy's own front already.
    host: denoDeploy === null ? host : "0.0.0.0",
    telemetry: endpoint === null && !isDenos ? null : {
      endpoint,
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
    store: redisUrls === null
      ? { kind: "embedded", dataDir, demoStock: demoStock === "1" }
      : { kind: "redis", redisUrls, databaseUrl, kafkaBrokers },
    access: tokens === null ? { kind: "open" } : { kind: "tokens", tokens },
  };
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== "object" || value === null) return value;
  Object.values(value).forEach(deepFreeze);
  return Object.freeze(value);
}
