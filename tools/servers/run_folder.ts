/**
 * The folder of one test run: every server's data, and one file for each process that is running.
 *
 * A test that throws, `deno test` killed with -9, or Ctrl-C cannot leave a server behind, because the
 * runner outlives them all and ends every process that still has a file here. `deno test` itself could not
 * promise that: it runs no code of ours when it is killed.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";
import { isGone, signalPid } from "./pid.ts";

/** The environment variable that names the folder to `deno test` and its tests. */
export const RUN_DIR_VARIABLE = "TEST_RUN_DIR";

/** The environment variables that name the shared servers; set from outside, they choose other servers. */
export const SHARED_VARIABLES = {
  redis: "TEST_REDIS_URL",
  valkey: "TEST_VALKEY_URL",
  postgres: "TEST_DATABASE_URL",
} as const;

/** A server that all tests of a run share. */
export type SharedServer = keyof typeof SHARED_VARIABLES;

/** What `keeper.ts` answers: the variables of the run, or why it could not start. */
export type KeeperAnswer =
  | { readonly variables: Readonly<Record<string, string>> }
  | { readonly error: string };

// A polite stop lets PostgreSQL give back its shared memory; measured 40 to 120 ms.
const STOP_GRACE_MS = 3_000;
// An engine stops its containers first; killed before that, it would leave them running.
const ENGINE_STOP_GRACE_MS = 40_000;
const POLL_MS = 20;
// A new machine installs servers first: apt takes 30 s, Kafka's jars 11 s, and both may wait for a lock.
const KEEPER_DEADLINE_MS = 15 * 60_000;

/** A run, from the side of the runner that owns it. */
export interface Run {
  /** Holds everything of the run. */
  readonly dir: string;
  /** Ends every process that still runs, by its id, then removes the folder. */
  close(): Promise<void>;
}

/** Makes the folder and names it to this process and its children. */
export async function openRun(): Promise<Run> {
  const dir = await Deno.makeTempDir({ prefix: "holdfast_" });
  // PostgreSQL runs as another user and must be able to pass through to its own folder.
  await Deno.chmod(dir, 0o711);
  await Deno.mkdir(`${dir}/processes`);
  Deno.env.set(RUN_DIR_VARIABLE, dir);
  return { dir, close: () => closeRun(dir) };
}

/** The folder of the run that this process belongs to; begins a run when there is none. */
export function runDir(): string {
  ensureRun();
  return Deno.env.get(RUN_DIR_VARIABLE) ?? "";
}

/**
 * Begins a run if the tests were started without `deno task`: starts `keeper.ts` and waits until the shared
 * servers are up (2 s). Synchronous, so that any helper of a test may ask; does nothing inside a run.
 */
export function ensureRun(): void {
  if (Deno.env.has(RUN_DIR_VARIABLE)) return;
  const answerFile = Deno.makeTempFileSync({ prefix: "holdfast_keeper_" });
  Deno.removeSync(answerFile);
  const keeper = new URL("./keeper.ts", import.meta.url).pathname;
  // The shell ends at once: no child process is left that the resource sanitizer of a test could find.
  new Deno.Command("sh", {
    args: ["-c", '"$@" &', "sh", Deno.execPath(), "run", "--allow-all", keeper, String(Deno.pid), answerFile],
    stdin: "null",
    stdout: "null",
    stderr: "inherit",
  }).outputSync();
  const answer = JSON.parse(readWhenWritten(answerFile)) as KeeperAnswer;
  if ("error" in answer) throw new Error(answer.error);
  for (const [name, value] of Object.entries(answer.variables)) Deno.env.set(name, value);
}

function readWhenWritten(file: string): string {
  const pause = new Int32Array(new SharedArrayBuffer(4));
  const deadlineMs = performance.now() + KEEPER_DEADLINE_MS;
  while (performance.now() < deadlineMs) {
    try {
      const text = Deno.readTextFileSync(file);
      Deno.removeSync(file);
      return text;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      Atomics.wait(pause, 0, 0, POLL_MS);
    }
  }
  throw new Error(`Cannot start the servers of the tests in ${KEEPER_DEADLINE_MS} ms`);
}

/** A name no other run has, for databases and namespaces on servers that outlive the run. */
export function runId(): string {
  return runDir().replace(/^.*_/, "").toLowerCase();
}

/** A folder for one server's data inside the run's folder. */
export function dataDir(name: string): Promise<string> {
  return Deno.makeTempDir({ dir: runDir(), prefix: `${name}-` });
}

/** Notes a process that has just been started, so that the runner can end it. */
export function track(pid: number, command: string): void {
  Deno.writeTextFileSync(`${runDir()}/processes/${pid}`, command);
}

/** Forgets a process that has ended. */
export function untrack(pid: number): void {
  try {
    Deno.removeSync(`${runDir()}/processes/${pid}`);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

async function closeRun(dir: string): Promise<void> {
  // Once more after each round: a process ended here may have started another in its last moment.
  for (let pids = tracked(dir); pids.length > 0; pids = tracked(dir)) {
    const hasEngine = pids.some((pid) => trackedCommand(dir, pid).includes("dockerd"));
    await endAll(pids, hasEngine ? ENGINE_STOP_GRACE_MS : STOP_GRACE_MS);
    pids.forEach(untrack);
  }
  await Deno.remove(dir, { recursive: true });
}

function tracked(dir: string): number[] {
  return [...Deno.readDirSync(`${dir}/processes`)].map(({ name }) => Number(name));
}

function trackedCommand(dir: string, pid: number): string {
  try {
    return Deno.readTextFileSync(`${dir}/processes/${pid}`);
  } catch {
    return ""; // it has ended meanwhile
  }
}

async function endAll(pids: readonly number[], graceMs: number): Promise<void> {
  for (const pid of pids) {
    signalPid(pid, "SIGINT"); // for PostgreSQL the fast shutdown; SIGTERM would wait for its clients
    signalPid(pid, "SIGCONT"); // a frozen process would not notice
  }
  const deadlineMs = performance.now() + graceMs;
  while (performance.now() < deadlineMs && !pids.every(isGone)) await sleep(POLL_MS);
  for (const pid of pids) if (!isGone(pid)) signalPid(pid, "SIGKILL");
}
