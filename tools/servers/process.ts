/**
 * Starts a long-running process, waits until it says that it is ready, and can kill or freeze it.
 *
 * @module
 */
import { basename } from "node:path";
import { track, untrack } from "./run_folder.ts";
import { signalPid } from "./pid.ts";

const READY_DEADLINE_MS = 60_000;
// The end of the output explains a failure; a server that logs without end must not fill the memory.
const OUTPUT_CHARS_MAX = 256 * 1024;

/** What to start and how to know that it is ready. */
export interface ProcessOptions {
  /** The program; this very Deno when left out. */
  readonly command?: string;
  /** Its arguments. */
  readonly args: readonly string[];
  /** Added to the environment of the tests. */
  readonly env?: Record<string, string>;
  /** Its working folder; the tests' when left out. */
  readonly cwd?: string;
  /** The user to run as, for programs that refuse root. */
  readonly uid?: number;
  /** The group to run as. */
  readonly gid?: number;
  /** The line of its output, on either stream, that says that it is ready. */
  readonly readyLine: RegExp;
  /** It is killed when it is not ready by then. */
  readonly readyDeadlineMs?: number;
}

/** A process that said that it is ready. Disposing of it kills it. */
export interface RunningProcess extends AsyncDisposable {
  /** Its id; another process may get it once this one has ended. */
  readonly pid: number;
  /** How the ready line matched, with its groups. */
  readonly match: RegExpExecArray;
  /** Settles when it has ended and all of its output was read. */
  readonly exited: Promise<Deno.CommandStatus>;
  /** What it printed on both streams, at most the last 256 KiB. */
  output(): string;
  /** Sends a signal; nothing happens when it has ended. */
  signal(signal: Deno.Signal): void;
  /** kill -9, and waits for the end. */
  kill(): Promise<void>;
  /** SIGINT, and SIGKILL when that did not end it in `graceMs`. */
  stop(graceMs: number): Promise<Deno.CommandStatus>;
  /** Stops it where it is; to others it looks like a machine that has stalled. */
  freeze(): void;
  /** Lets it go on. */
  thaw(): void;
}

/** Hears each line that a process prints; `name` is that of its program, or of its script. */
export type LineListener = (name: string, pid: number, line: string) => void;

let listener: LineListener | undefined;

/** From now on `hear` hears every process that is started, for observers. */
export function listenToProcesses(hear: LineListener): void {
  listener = hear;
}

/** Starts a process and returns when it is ready; one that is not ready in time is killed. */
export async function startProcess(options: ProcessOptions): Promise<RunningProcess> {
  const { command = Deno.execPath(), readyLine, readyDeadlineMs = READY_DEADLINE_MS } = options;
  const title = [command, ...options.args].join(" ");
  const name = basename(options.args.find((arg) => arg.endsWith(".ts")) ?? command);
  const output = new Output(readyLine, (line) => listener?.(name, child.pid, line));
  const child = spawn(command, options, title);
  const exited = endOf(child, output);
  const timer = new AbortController();
  const outcome = await Promise.race([
    output.ready,
    exited.then(({ code, signal }) => `it ended first, ${signal ?? `code ${code}`}`),
    afterMs(readyDeadlineMs, timer.signal).then(() => `it did not in ${readyDeadlineMs} ms`),
  ]);
  timer.abort();
  if (typeof outcome !== "string") return running(child, exited, output, outcome);
  signalPid(child.pid, "SIGKILL");
  await exited;
  throw new Error(`Cannot wait for ${title} to print ${readyLine} as ${outcome}:\n${output.text}`);
}

function running(
  child: Deno.ChildProcess,
  exited: Promise<Deno.CommandStatus>,
  output: Output,
  match: RegExpExecArray,
): RunningProcess {
  const { pid } = child;
  let ended = false;
  exited.then(() => ended = true);
  // After its end the id may belong to another process.
  const signal = (name: Deno.Signal) => void (ended || signalPid(pid, name));
  const kill = async () => {
    signal("SIGKILL");
    await exited;
  };
  return {
    pid,
    match,
    exited,
    output: () => output.text,
    signal,
    kill,
    async stop(graceMs) {
      signal("SIGINT");
      signal("SIGCONT");
      const timer = new AbortController();
      await Promise.race([exited, afterMs(graceMs, timer.signal)]);
      timer.abort();
      await kill();
      return await exited;
    },
    freeze: () => signal("SIGSTOP"),
    thaw: () => signal("SIGCONT"),
    [Symbol.asyncDispose]: kill,
  };
}

function spawn(command: string, options: ProcessOptions, title: string): Deno.ChildProcess {
  const { args, env, cwd, uid, gid } = options;
  const child = new Deno.Command(command, {
    args: [...args],
    ...(env && { env }),
    ...(cwd && { cwd }),
    ...(uid !== undefined && { uid }),
    ...(gid !== undefined && { gid }),
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  try {
    track(child.pid, title);
  } catch (error) {
    child.kill("SIGKILL"); // the run is over: no process would end it
    throw error;
  }
  return child;
}

async function endOf(child: Deno.ChildProcess, output: Output): Promise<Deno.CommandStatus> {
  const [status] = await Promise.all([child.status, output.read(child.stdout), output.read(child.stderr)]);
  untrack(child.pid);
  return status;
}

/** Resolves after `ms`, or at once when aborted; leaves no timer behind. */
function afterMs(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    }, { once: true });
  });
}

/** Both streams of a process, in the order in which their lines came. */
class Output {
  text = "";
  readonly ready: Promise<RegExpExecArray>;
  readonly #readyLine: RegExp;
  readonly #hear: (line: string) => void;
  readonly #resolveReady: (match: RegExpExecArray) => void;

  constructor(readyLine: RegExp, hear: (line: string) => void) {
    this.#hear = hear;
    const { promise, resolve } = Promise.withResolvers<RegExpExecArray>();
    this.ready = promise;
    this.#resolveReady = resolve;
    this.#readyLine = readyLine;
  }

  async read(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<void> {
    let rest = "";
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + text).split("\n");
      rest = (lines.pop() ?? "").slice(-OUTPUT_CHARS_MAX);
      for (const line of lines) this.#add(line);
    }
    if (rest !== "") this.#add(rest);
  }

  #add(line: string): void {
    this.text = `${this.text}${line}\n`.slice(-OUTPUT_CHARS_MAX);
    this.#hear(line);
    const match = this.#readyLine.exec(line);
    if (match) this.#resolveReady(match);
  }
}
