/**
 * The verb `import`.
 *
 * @module
 */
import { submitThere } from "./api_steps.ts";
import { importCsv } from "./import.ts";
import type { ImportMode } from "./import_rows.ts";
import { submitHere } from "./local_steps.ts";
import { askerOf, type Common, type VerbContext } from "../context/verb.ts";

export interface ImportFlags extends Pick<Common, "api" | "tokenFile"> {
  readonly mode: ImportMode;
  readonly reason: string;
  /** Go on where an interrupted import stopped. */
  readonly resume?: boolean;
  readonly dryRun?: boolean;
}

export const importHelp: string = `
The first line names the columns: sku, available, and optionally opens_at, closes_at (RFC 3339 with offset),
quota (units a user may buy), purchase_token (true or false). The file is UTF-8, with one row for each SKU.`;

/** Imports a file. Returns the exit code. */
export async function runImport(
  { terminal, context, world }: VerbContext,
  file: string,
  options: ImportFlags,
): Promise<number> {
  const { mode, reason, resume = false, dryRun = false, api } = options;
  const open = async () =>
    api === undefined
      ? await submitHere(context(), reason)
      : submitThere(world, await askerOf(options, context, world), reason);
  return await importCsv(world, terminal, file, { mode, resume, dryRun }, open);
}
