/**
 * The operator's command line as a process of its own.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { settings } from "../../src/config.ts";
import type { Env } from "./stack.ts";

const REPOSITORY = fileURLToPath(new URL("../..", import.meta.url));
const RUN_DEADLINE_MS = 120_000;
const UNSET: Env = Object.fromEntries(Object.values(settings).map(({ name }) => [name, ""]));

/** How a run ended, and what it printed. */
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
