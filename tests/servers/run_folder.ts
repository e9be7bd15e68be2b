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

// A polite stop lets PostgreSQL give back its shared memory; measured 40 to 120 ms.
const STOP_GRACE_MS = 3_000;
const POLL_MS = 20;

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

/** The folder of the run that this process belongs to. */
export function runDir(): string {
  const dir = Deno.env.get(RUN_DIR_VARIABLE);
  if (dir !== undefined) return dir;
  throw new Error(
    `Cannot start a server outside a test run: use "deno task test [file] [--filter name]", ` +
      `which also stops whatever a test leaves behind`,
  );
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
    await endAll(pids);
    pids.forEach(untrack);
  }
  await Deno.remove(dir, { recursive: true });
}

function tracked(dir: string): number[] {
  return [...Deno.readDirSync(`${dir}/processes`)].map(({ name }) => Number(name));
}

async function endAll(pids: readonly number[]): Promise<void> {
  for (const pid of pids) {
    signalPid(pid, "SIGINT"); // for PostgreSQL the fast shutdown; SIGTERM would wait for its clients
    signalPid(pid, "SIGCONT"); // a frozen process would not notice
  }
  const deadlineMs = performance.now() + STOP_GRACE_MS;
  while (performance.now() < deadlineMs && !pids.every(isGone)) await sleep(POLL_MS);
  for (const pid of pids) if (!isGone(pid)) signalPid(pid, "SIGKILL");
}
