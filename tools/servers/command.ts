/**
 * A command that is run to its end, with a deadline.
 *
 * @module
 */

/** How to run it. `uid` and `gid` are for programs that refuse root. */
export interface CommandOptions {
  /** It is killed when it takes longer. */
  readonly deadlineMs: number;
  /** Added to the environment of the tests. */
  readonly env?: Record<string, string>;
  /** Its working folder; the tests' when left out. */
  readonly cwd?: string;
  /** The user to run as. */
  readonly uid?: number;
  /** The group to run as. */
  readonly gid?: number;
}

/** Runs `command` and returns what it printed. Anything but exit code 0 is an error that quotes its output. */
export async function runCommand(
  command: string,
  args: readonly string[],
  { deadlineMs, ...options }: CommandOptions,
): Promise<string> {
  const deadline = new AbortController();
  const timer = setTimeout(() => deadline.abort(), deadlineMs);
  try {
    const child = new Deno.Command(command, {
      ...options,
      args: [...args],
      stdin: "null",
      signal: deadline.signal,
    });
    const { code, stdout, stderr } = await child.output();
    if (code === 0) return new TextDecoder().decode(stdout);
    const reason = deadline.signal.aborted ? `took more than ${deadlineMs} ms` : `exited with code ${code}`;
    const output = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes)).join("");
    throw new Error(`Cannot run ${[command, ...args].join(" ")} as it ${reason}:\n${output.trim()}`);
  } finally {
    clearTimeout(timer);
  }
}
