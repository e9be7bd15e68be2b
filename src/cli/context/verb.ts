/**
 * What all verbs share: their options, what they work with, and which API they ask.
 *
 * @module
 */
import type { World } from "../../runtime/world.ts";
import { Failure } from "./failure.ts";
import type { CliContext } from "./context.ts";
import { type Asked, remoteApi } from "./api_request.ts";
import type { Terminal } from "./terminal.ts";

/** What every verb takes. */
export interface Common {
  /** The result as JSON. */
  readonly json?: boolean;
  /** Do not ask. */
  readonly yes?: boolean;
  /** The address of a running API. */
  readonly api?: string;
  /** A file that holds the token for it. */
  readonly tokenFile?: string;
}

/** What a verb works with. */
export interface VerbContext {
  /** Where it prints. */
  readonly terminal: Terminal;
  /** The servers of the settings, which are read when this is first called. */
  readonly context: () => CliContext;
  /** The clock and timers. */
  readonly world: World;
}

/** The API in this process, or the one that `--api` names. */
export async function askerOf(
  { api, tokenFile }: Pick<Common, "api" | "tokenFile">,
  context: () => CliContext,
  world: World,
): Promise<(asked: Asked) => Promise<Response>> {
  if (api === undefined) return await context().api();
  return remoteApi(world, api, tokenFile === undefined ? undefined : await readToken(tokenFile));
}

/** From a file, as every user of a machine sees the arguments of a process. */
async function readToken(path: string): Promise<string> {
  try {
    return (await Deno.readTextFile(path)).trim();
  } catch (cause) {
    throw new Failure(`Cannot read the token in ${path}`, "usage", { cause });
  }
}
