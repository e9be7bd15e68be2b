/**
 * The verb `import`.
 *
 * @module
 */
import { submitThere } from "./api_steps.ts";
import { allShards, type CliContext } from "../context/context.ts";
import { Failure } from "../context/failure.ts";
import { importCsv } from "./import.ts";
import type { ImportMode } from "./import_rows.ts";
import { submitHere } from "./local_steps.ts";
import { importSeed } from "./seed.ts";
import { askerOf, type Common, type VerbContext } from "../context/verb.ts";

/** Its options as they are read. */
export interface ImportFlags extends Pick<Common, "api" | "tokenFile"> {
  /** What a row does. */
  readonly mode: ImportMode;
  /** For people. */
  readonly reason: string;
  /** Go on where an interrupted import stopped. */
  readonly resume?: boolean;
  /** Change nothing. */
  readonly dryRun?: boolean;
  /** The design document's Redis. */
  readonly fromSeed?: string;
}

/** Follows the list of options. */
export const importHelp: string = `
The first line of the file names its columns: sku, available, and if wanted opens_at, closes_at (RFC 3339 with offset),
quota (units a user may buy), purchase_token (true or false). The file is UTF-8, with one row for each SKU.`;

/** Every shard, as only the rows say which; none when it was asked wrongly, which {@link runImport} says. */
export function writtenShards(
  context: CliContext,
  file: string | undefined,
  { fromSeed }: ImportFlags,
): number[] {
  return (file === undefined) === (fromSeed === undefined) ? [] : allShards(context);
}

/** Imports a file, or the design document's Redis. Returns the exit code. */
export async function runImport(
  { terminal, context, world }: VerbContext,
  file: string | undefined,
  options: ImportFlags,
): Promise<number> {
  const { fromSeed, mode, reason, resume = false, dryRun = false, api } = options;
  if ((file === undefined) === (fromSeed === undefined)) {
    throw new Failure("Name either a file or --from-seed <redis-url>", "usage");
  }
  if (fromSeed !== undefined) {
    if (api !== undefined || dryRun) {
      throw new Failure("--from-seed takes no --api and no --dry-run", "usage");
    }
    return await importSeed(context(), terminal, fromSeed);
  }
  const open = async () =>
    api === undefined
      ? await submitHere(context(), reason)
      : submitThere(world, await askerOf(options, context, world), reason);
  return await importCsv(world, terminal, file ?? "", { mode, resume, dryRun }, open);
}
