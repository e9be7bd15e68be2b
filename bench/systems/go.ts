/**
 * Builds the peers that are written in Go.
 *
 * @module
 */
import { runCommand } from "../../tools/servers/command.ts";
import { runDir } from "../../tools/servers/run_folder.ts";

// The first build of the Go service compiles its packages: 2 minutes on a busy machine of two cores.
const buildDeadlineMs = 900_000;
const built = new Map<string, Promise<string>>();

/** Builds bench/peers/NAME, once a run, and returns the program. */
export function buildGo(name: string): Promise<string> {
  const known = built.get(name);
  if (known) return known;
  const building = build(name);
  built.set(name, building);
  return building;
}

async function build(name: string): Promise<string> {
  const program = `${runDir()}/${name}`;
  const cwd = new URL(`../peers/${name}`, import.meta.url).pathname;
  await runCommand("go", ["build", "-o", program, "."], { cwd, deadlineMs: buildDeadlineMs });
  return program;
}
