/**
 * The owner of a run that `deno test` or `deno bench` began without `deno task`: it starts the shared servers,
 * writes their variables to a file, and ends every process of the run once the tests have ended.
 * It is a process of its own because `deno test` runs no code of the tests when it is killed.
 *
 *     deno run -A tools/servers/keeper.ts <pid of the tests> <file for the answer>
 *
 * The file then holds `{"variables": {…}}` or `{"error": "…"}`.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- an installation takes half a minute: the user sees why
import { setTimeout as sleep } from "node:timers/promises";
import { isGone } from "./pid.ts";
import { type KeeperAnswer, openRun, RUN_DIR_VARIABLE, SHARED_VARIABLES } from "./run_folder.ts";
import { missingServers, startShared } from "./shared_servers.ts";

// The tests have ended: no process waits for this one, so a slow poll costs nothing.
const POLL_MS = 200;

async function main(testsPid: number, answerFile: string): Promise<void> {
  const run = await openRun();
  const answer = (value: KeeperAnswer) => {
    // Renamed when complete: the reader polls for the file.
    Deno.writeTextFileSync(`${answerFile}.part`, JSON.stringify(value));
    Deno.renameSync(`${answerFile}.part`, answerFile);
  };
  try {
    await startShared(missingServers(), (line) => console.error(line));
    const names = [RUN_DIR_VARIABLE, ...Object.values(SHARED_VARIABLES)];
    answer({ variables: Object.fromEntries(names.map((name) => [name, Deno.env.get(name) ?? ""])) });
    while (!isGone(testsPid)) await sleep(POLL_MS);
  } catch (error) {
    answer({ error: error instanceof Error ? error.message : String(error) });
  } finally {
    await run.close();
  }
}

// Ctrl-C reaches every process of the terminal; this one ends after the tests.
Deno.addSignalListener("SIGINT", () => {});
const [pid = "", file = ""] = Deno.args;
await main(Number(pid), file);
Deno.exit(0);
