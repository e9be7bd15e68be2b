/**
 * Copies of the tree, in which slips are planted and tests run. Servers outlive the slips: a slip costs its tests alone.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- this is a part of the command that prints for the user
import { type RedisServer, startRedis } from "../servers/redis.ts";
import { openRun, SHARED_VARIABLES, track, untrack } from "../servers/run_folder.ts";
import { startShared } from "../servers/shared_servers.ts";
import type { Stage } from "./targets.ts";

const ROOT = new URL("../..", import.meta.url).pathname;
/** A file system in memory, where there is one: every test waits for its commits. */
const MEMORY = "/dev/shm";
/** Of a stage without a slip, before it is known how long it takes. */
const FIRST_DEADLINE_MS = 600_000;
/** A slip may make a loop endless. A stage takes longer when the machine is busy. */
const DEADLINE_FACTOR = 8;
const DEADLINE_MIN_MS = 60_000;
const DEADLINE_MAX_MS = 180_000;
const PING_DEADLINE_MS = 2_000;
/** The exit code of a run that was ended. */
const STOPPED = 130;

/** How a stage ended. */
export interface Ended {
  readonly isPassed: boolean;
  /** The test that failed, or why the stage ended. */
  readonly by: string;
  /** The title of that test. */
  readonly title?: string | undefined;
}

/** One copy of the tree, with a Redis of its own: a slip in the script may keep it busy for ever. */
export class Copy {
  readonly folder: string;
  readonly #redis: RedisServer;
  readonly #seed: number;
  readonly #durations = new Map<Stage, number>();

  /** Use {@link openCopies}. */
  constructor(folder: string, redis: RedisServer, seed: number) {
    this.folder = folder;
    this.#redis = redis;
    this.#seed = seed;
  }

  /** Writes a text, runs `body`, and puts the file back. */
  async planted<T>(path: string, text: string, body: () => Promise<T>): Promise<T> {
    const file = `${this.folder}/${path}`;
    const whole = await Deno.readTextFile(file);
    await Deno.writeTextFile(file, text);
    try {
      return await body();
    } finally {
      await Deno.writeTextFile(file, whole);
    }
  }

  /** Runs a stage without a slip, and notes how long it takes. */
  async measure(stage: Stage): Promise<Ended> {
    const startedMs = performance.now();
    const ended = await this.run(stage);
    this.#durations.set(stage, performance.now() - startedMs);
    return ended;
  }

  /** Takes over from another copy how long a stage takes. */
  learn(stage: Stage, other: Copy): void {
    this.#durations.set(stage, other.#durations.get(stage) ?? FIRST_DEADLINE_MS);
  }

  /**
   * Runs a stage to its first failure. One that takes too long has failed. The test that failed is run again by itself,
   * and when that passes the whole stage: a busy machine may fail it, too.
   */
  async run(stage: Stage): Promise<Ended> {
    const ended = await this.#once(stage);
    if (ended.isPassed || ended.title === undefined) return ended;
    const again = await this.#once({ tests: stage.tests, filter: ended.title });
    return again.isPassed ? await this.#once(stage) : ended;
  }

  async #once(stage: Stage): Promise<Ended> {
    const { tests, filter } = stage;
    const url = this.#redis.url;
    const child = new Deno.Command(Deno.execPath(), {
      args: [
        ...["test", "--allow-all", "--no-check", "--fail-fast"],
        ...filter === undefined ? [] : [`--filter=${filter}`],
        ...tests,
      ],
      cwd: this.folder,
      env: {
        [SHARED_VARIABLES.redis]: url,
        [SHARED_VARIABLES.valkey]: url,
        TEST_SEED: String(this.#seed),
        NO_COLOR: "1",
      },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    track(child.pid, `deno test ${tests.join(" ")}`);
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      child.kill("SIGKILL");
    }, this.#deadlineMs(stage));
    const { success, stdout, stderr } = await child.output();
    clearTimeout(timer);
    untrack(child.pid);
    const report = new TextDecoder().decode(stdout);
    if (success) return { isPassed: /[1-9]\d* passed/.test(report), by: "no test" };
    await this.#freeRedis();
    if (isLate) return { isPassed: false, by: "no end" };
    const title = failedTest(report);
    const by = title ?? errorOf(report + new TextDecoder().decode(stderr));
    // Killed from outside, for example: that says nothing about the slip.
    if (by === undefined) throw new Error(`Tests did not run: ${tests.join(" ")}`);
    return { isPassed: false, by, title };
  }

  #deadlineMs(stage: Stage): number {
    const duration = this.#durations.get(stage);
    return duration === undefined
      ? FIRST_DEADLINE_MS
      : Math.min(DEADLINE_MAX_MS, Math.max(DEADLINE_MIN_MS, duration * DEADLINE_FACTOR));
  }

  /** Starts the Redis again if a script runs on it without end. */
  async #freeRedis(): Promise<void> {
    if (await answers(this.#redis.port)) return;
    await this.#redis.kill();
    await this.#redis.start();
  }
}

/** The copies and their servers; disposing of them removes all. */
export interface Copies extends AsyncDisposable {
  readonly all: readonly Copy[];
}

/** Makes copies of the tree with its uncommitted changes. */
export async function openCopies(count: number, seed: number): Promise<Copies> {
  const isThere = await Deno.stat(MEMORY).then(() => true, () => false);
  if (isThere) Deno.env.set("TMPDIR", MEMORY);
  const run = await openRun();
  await startShared(["postgres"], console.error);
  const folders: string[] = [];
  const all: Copy[] = [];
  for (let i = 0; i < count; i++) {
    const folder = await copyTree();
    folders.push(folder);
    all.push(new Copy(folder, await startRedis(), seed));
  }
  const remove = async () => {
    await run.close();
    for (const folder of folders) await git(ROOT, "worktree", "remove", "--force", folder);
  };
  let removed: Promise<void> | undefined;
  const close = () => removed ??= remove();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    Deno.addSignalListener(signal, () => void close().finally(() => Deno.exit(STOPPED)));
  }
  return { all, [Symbol.asyncDispose]: close };
}

async function copyTree(): Promise<string> {
  const folder = await Deno.makeTempDir({ prefix: "holdfast_mutate_" });
  await Deno.chmod(folder, 0o755); // PostgreSQL runs as another user, and starts here
  await git(ROOT, "worktree", "add", "--detach", "--force", folder, "HEAD");
  const changes = `${folder}.patch`;
  await Deno.writeTextFile(changes, await git(ROOT, "diff", "--binary", "HEAD"));
  if ((await Deno.stat(changes)).size > 0) await git(folder, "apply", changes);
  await Deno.remove(changes);
  const installed = `${ROOT}.servers`;
  if (await Deno.stat(installed).then(() => true, () => false)) {
    await Deno.symlink(installed, `${folder}/.servers`);
  }
  return folder;
}

/** Runs git in a folder. @throws with what it said */
export async function git(folder: string, ...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command("git", { args: ["-C", folder, ...args] })
    .output();
  if (!success) throw new Error(`git ${args[0]}: ${new TextDecoder().decode(stderr).trim()}`);
  return new TextDecoder().decode(stdout);
}

/** The title of the first test that a report of `deno test` calls failed. */
function failedTest(report: string): string | undefined {
  return /^(.*?) \.\.\..*?FAILED/m.exec(report)?.[1];
}

/** The error of a module that could not be loaded, as one whose constants a slip breaks. */
function errorOf(report: string): string | undefined {
  return /error: (.*)/.exec(report)?.[1]?.slice(0, 120);
}

/** Whether a server answers a PING in time; one with a script that does not end says BUSY. */
async function answers(port: number): Promise<boolean> {
  const connection = await Deno.connect({ hostname: "127.0.0.1", port }).catch(() => undefined);
  if (!connection) return false;
  const timer = setTimeout(() => connection.close(), PING_DEADLINE_MS);
  try {
    await connection.write(new TextEncoder().encode("PING\r\n"));
    const reply = new Uint8Array(16);
    const length = await connection.read(reply) ?? 0;
    connection.close();
    return new TextDecoder().decode(reply.subarray(0, length)).startsWith("+PONG");
  } catch {
    return false;
  } finally {
    clearTimeout(timer);
  }
}
