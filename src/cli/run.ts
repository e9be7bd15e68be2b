/**
 * One command line from its arguments to its exit code.
 *
 * @module
 */
import { CommanderError } from "commander";
import { ConfigError } from "../runtime/settings/config.ts";
import { describeError } from "../runtime/logger.ts";
import type { World } from "../runtime/world.ts";
import type { CliContext } from "./context/context.ts";
import { exits, Failure } from "./context/failure.ts";
import { describeRefusedWrite } from "./context/refused_writes.ts";
import { openTerminal } from "./context/terminal.ts";
import { createProgram } from "./program.ts";

/**
 * Runs one command line and returns its exit code.
 *
 * @param openContext reads the settings; called by verbs that need them
 */
export async function runCli(
  args: readonly string[],
  world: World,
  openContext: () => CliContext,
): Promise<number> {
  let opened: CliContext | undefined;
  const context = () => opened ??= openContext();
  let code: number = exits.ok;
  const program = createProgram(
    (options) => ({ terminal: openTerminal(world, options), context, world }),
    (ended) => {
      code = ended;
    },
  );
  try {
    await program.parseAsync(args, { from: "user" });
    return code;
  } catch (error) {
    return explain(error);
  } finally {
    await opened?.close();
  }
}

/** Prints why a verb ended. Commander has printed its own errors. */
function explain(error: unknown): number {
  if (error instanceof CommanderError) {
    return error.exitCode === 0 ? exits.ok : exits.usage;
  }
  const line = describeRefusedWrite(error) ?? describeError(error);
  Deno.stderr.writeSync(new TextEncoder().encode(line + "\n"));
  if (error instanceof ConfigError) return exits.usage;
  return error instanceof Failure ? exits[error.code] : exits.failed;
}
