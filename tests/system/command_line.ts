/** The operator's command line as a process of its own, and a deployment for it to work on. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { settings } from "../../src/runtime/settings/config.ts";
import { Connection } from "../../src/redis/connection.ts";
import { realWorld as world } from "../../src/runtime/world.ts";
import { freshNamespace, sharedPostgres, sharedRedis } from "../../tools/servers/shared.ts";
import { type Env, type Stack, startStack } from "./stack.ts";

const REPOSITORY = fileURLToPath(new URL("../..", import.meta.url));
const RUN_DEADLINE_MS = 120_000;
const UNSET: Env = Object.fromEntries(Object.values(settings).map(({ name }) => [name, ""]));

/** What a run came to. */
export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs `inventory.ts` to its end. */
export async function inventory(env: Env, ...args: readonly string[]): Promise<Ran> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-P=cli", "inventory.ts", ...args],
    cwd: REPOSITORY,
    env: { ...UNSET, ...env },
    stdin: "null",
    signal: AbortSignal.timeout(RUN_DEADLINE_MS),
  });
  const { code, stdout, stderr } = await child.output();
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes).trim());
  return { code, out: out ?? "", err: err ?? "" };
}

/** The result of a verb with `--json`, which must end with `code`. */
export async function json(
  env: Env,
  code: number,
  ...args: readonly string[]
): Promise<Record<string, unknown>> {
  const ran = await inventory(env, ...args, "--json");
  assert.equal(ran.code, code, `${args.join(" ")}: ${ran.out}\n${ran.err}`);
  assert.equal(ran.out.split("\n").length, 1, `one line of JSON: ${ran.out}`);
  return JSON.parse(ran.out);
}

/** A deployment that runs. */
export interface Deployment extends AsyncDisposable {
  /** Its processes. */
  readonly stack: Stack;
  /** The settings of its command line. */
  readonly env: Env;
  readonly namespace: string;
  readonly redisUrl: string;
  readonly databaseUrl: string;
}

/** Starts a deployment on the shared servers. */
export async function deployment(own: Env = {}): Promise<Deployment> {
  const [redisUrl, databaseUrl] = [sharedRedis().url, await sharedPostgres().freshDatabase()];
  const namespace = freshNamespace();
  const stack = await startStack({ redisUrl, databaseUrl, env: { NAMESPACE: namespace, ...own } });
  const env: Env = { REDIS_URL: redisUrl, DATABASE_URL: databaseUrl, NAMESPACE: namespace, ...own };
  return {
    stack,
    env,
    namespace,
    redisUrl,
    databaseUrl,
    [Symbol.asyncDispose]: () => stack[Symbol.asyncDispose](),
  };
}

export async function withRedis<T>(url: string, work: (redis: Connection) => Promise<T>): Promise<T> {
  const redis = new Connection(url, { name: "cli-test", world, onError() {} });
  try {
    await redis.whenReady(5000);
    return await work(redis);
  } finally {
    await redis.close();
  }
}
