/**
 * The environment as one frozen {@link Config}. This file alone reads it, once, and reports everything
 * that is wrong at once: a report of one mistake a start takes as many starts as there are mistakes.
 *
 * A new setting is a row of {@link settings}, a member of {@link Config} and a row in README.
 *
 * @module
 */
import {
  apiTokens,
  databaseUrl,
  type Format,
  hostName,
  identifier,
  integer,
  isLoopback,
  oneOf,
  path,
  redisUrls,
  type Scope,
  type TokenConfig,
} from "./config_format.ts";

export type { Format, Scope, TokenConfig };

/** The least severe line that is logged. */
export type LogLevel = "debug" | "info" | "warn" | "error";

/** Who may ask: everybody (on loopback only), or who has a token. */
export type AccessConfig =
  | { readonly kind: "open" }
  | { readonly kind: "tokens"; readonly tokens: readonly TokenConfig[] };

/** Where stock and ledger live. */
export type StoreConfig =
  | { readonly kind: "embedded"; readonly dataDir: string; readonly demoStock: boolean }
  /** URLs may hold passwords: never log them. Several Redis URLs are nodes of one Redis Cluster. */
  | { readonly kind: "redis"; readonly redisUrls: readonly string[]; readonly databaseUrl: string | null };

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
  /** Names keys and schema. */
  readonly namespace: string;
  /** Who may ask. */
  readonly access: AccessConfig;
  /** One accepted deduct per user and SKU in this time; 0 = off. */
  readonly userLimitMs: number;
  /** How long an order id is remembered at least, seconds. */
  readonly idempotencyWindowS: number;
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
  /** The least severe line that is logged. */
  readonly logLevel: LogLevel;
}

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
  shards: { name: "SHARDS", default: "1", meaning: "fixed for a deployment", format: integer(1, 1024) },
  namespace: {
    name: "NAMESPACE",
    default: "inventory",
    meaning: "names keys and schema",
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
} as const satisfies Readonly<Record<string, Setting<unknown>>>;

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
    holds: ({ databaseUrl, redisUrls }) => databaseUrl === null || redisUrls !== null,
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
    of: ["userLimitMs", "idempotencyWindowS"],
    rule: "at most IDEMPOTENCY_WINDOW_S, because a rebuild knows no older purchases",
    holds: ({ userLimitMs, idempotencyWindowS }) => userLimitMs <= idempotencyWindowS * 1000,
  },
];

/** One thing that is wrong with the environment. */
export interface SettingProblem {
  /** The variable. */
  readonly name: string;
  /** Reads on after "must be". */
  readonly rule: string;
  /** The value as it may be printed; null when it must not be. */
  readonly value: string | null;
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
      `  ${name} must be ${rule}: current value is ${value === null ? "not shown" : JSON.stringify(value)}`
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
    problems.push({ name: setting.name, rule, value: setting.secret ? null : written(env, setting) });
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
  const { redisUrls, databaseUrl, dataDir, demoStock, tokens, ...rest } = values;
  return {
    ...rest,
    store: redisUrls === null
      ? { kind: "embedded", dataDir, demoStock: demoStock === "1" }
      : { kind: "redis", redisUrls, databaseUrl },
    access: tokens === null ? { kind: "open" } : { kind: "tokens", tokens },
  };
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== "object" || value === null) return value;
  Object.values(value).forEach(deepFreeze);
  return Object.freeze(value);
}
