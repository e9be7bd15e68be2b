/**
 * The operator's command line: `deno task inventory <verb>`.
 *
 * @module
 */
import { runCli } from "./src/cli/run.ts";
import { openContext } from "./src/compose/cli_context.ts";
import { configOrExit } from "./src/runtime/lifecycle.ts";
import { realWorld } from "./src/runtime/world.ts";

Deno.exit(await runCli(Deno.args, realWorld, () => openContext(configOrExit())));
