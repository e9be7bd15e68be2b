/**
 * Shared by all verbs: options, context and API.
 *
 * @module
 */
import type { World } from "../../runtime/world.ts";
import { Failure } from "./failure.ts";
import type { CliContext } from "./context.ts";
import { type Asked, remoteApi } from "./api_request.ts";
import type { Terminal } from "./terminal.ts";

/** Options of every verb. */
export interface Common {
  readonly json?: boolean;
  readonly yes?: boolean;
  /** The address of a running API. */
  readonly api?: string;
  /** File with the token for it. */
  readonly tokenFile?: string;
}

export interface VerbContext {
  readonly terminal: Terminal;
  /** The servers of the settings. The first call reads the settings. */
  readonly context: () => CliContext;
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

/** From a file, because every user of a machine sees the arguments of a process. */
async function readToken(path: string): Promise<string> {
  try {
    return (await Deno.readTextFile(path)).trim();
  } catch (cause) {
    throw new Failure(`Cannot read the token in ${path}`, "usage", { cause });
  }
}
