/**
 * `deno task servers`: the servers that tests share, until Ctrl-C. Tests that find them in the environment start in a
 * second instead of five.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- this is the command that prints for the user
import { openRun, SHARED_VARIABLES } from "./run_folder.ts";
import { sharedServers, startShared } from "./shared_servers.ts";

const stopped = new Promise<void>((resolve) => {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    Deno.addSignalListener(signal, () => resolve());
  }
});
const run = await openRun();
await startShared(sharedServers(), console.error);
for (const server of sharedServers()) {
  const variable = SHARED_VARIABLES[server];
  console.log(`export ${variable}=${Deno.env.get(variable)}`);
}
console.error(
  "Paste these lines into another shell and run 'deno test -P <file>' there. Ctrl-C stops the servers.",
);
await stopped;
await run.close();
Deno.exit(0);
