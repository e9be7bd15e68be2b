/**
 * The Deno version that Deno Deploy runs, in addition to the one that runs the tests.
 *
 * @module
 */
import { runCommand } from "./command.ts";

// Deploy's documentation names 2.5.0 (June 2026); this is the last of that line.
const PACKAGE = "deno@2.5.7";
// 40 MB from the registry the first time.
const INSTALL_DEADLINE_MS = 300_000;

/** The full path of its program, which npm fetches when it is missing. */
export async function denoOfDeploy(): Promise<string> {
  const program = "Deno.stdout.writeSync(new TextEncoder().encode(Deno.execPath()))";
  return await runCommand("npx", ["-y", PACKAGE, "eval", program], { deadlineMs: INSTALL_DEADLINE_MS })
    .catch((cause) => {
      throw new Error(`Cannot fetch ${PACKAGE}: install it by hand with\n  npx -y ${PACKAGE} --version`, {
        cause,
      });
    });
}
