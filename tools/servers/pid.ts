/**
 * Processes known by their ids alone: those of a server's own children, and those that a run left behind.
 *
 * @module
 */

/** Sends `signal` (0 only asks); false when there is no such process any more. */
export function signalPid(pid: number, signal: Deno.Signal | 0): boolean {
  try {
    Deno.kill(pid, signal);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/**
 * Whether the process runs no more. A zombie counts as gone: in a container the first process often
 * collects no orphans, and they would be waited for without end.
 */
export function isGone(pid: number): boolean {
  return !signalPid(pid, 0) || isZombie(pid);
}

/** Only Linux tells, and only a process that has all of Deno's permissions: the tests, not their runner. */
function isZombie(pid: number): boolean {
  try {
    const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
    // "pid (name) state …": the name may itself hold spaces and parentheses.
    return stat.charAt(stat.lastIndexOf(")") + 2) === "Z";
  } catch {
    return false;
  }
}

/** The direct children of a process; none when it is gone. */
export async function childrenOf(pid: number): Promise<number[]> {
  const text = Deno.build.os === "linux" ? await childrenFile(pid) : await pgrep(pid);
  return text.split(/\s+/).filter((word) => word !== "").map(Number);
}

async function childrenFile(pid: number): Promise<string> {
  try {
    return await Deno.readTextFile(`/proc/${pid}/task/${pid}/children`);
  } catch {
    return "";
  }
}

async function pgrep(pid: number): Promise<string> {
  const { stdout } = await new Deno.Command("pgrep", { args: ["-P", String(pid)], stderr: "null" }).output();
  return new TextDecoder().decode(stdout);
}
