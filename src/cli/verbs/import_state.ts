/**
 * How far an import is, in a file next to the CSV, so that an interrupted one continues.
 *
 * @module
 */
import { isObject } from "../../http/schemas/containers.ts";
import { Failure } from "../context/failure.ts";

/** How far an import is. */
export interface ImportState {
  /** SHA-256 of the CSV: the rows counted are rows of this file. */
  readonly sha256: string;
  readonly mode: string;
  /** Rows from the start that are all settled. */
  readonly rows: number;
}

/** The state's file. */
export function statePath(csv: string): string {
  return `${csv}.import.json`;
}

/** Writes it atomically. */
export async function writeState(csv: string, state: ImportState): Promise<void> {
  const path = statePath(csv);
  await Deno.writeTextFile(`${path}.new`, JSON.stringify(state) + "\n");
  await Deno.rename(`${path}.new`, path);
}

export async function removeState(csv: string): Promise<void> {
  await Deno.remove(statePath(csv)).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
}

/**
 * The rows that an interrupted import of this very file has settled; 0 when none was interrupted.
 *
 * @throws {Failure} when the state belongs to another file or another mode
 */
export async function resumeAt(csv: string, sha256: string, mode: string): Promise<number> {
  const path = statePath(csv);
  let state: unknown;
  try {
    state = JSON.parse(await Deno.readTextFile(path));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 0;
    throw new Failure(`Cannot resume as ${path} cannot be read`, "failed", { cause: error });
  }
  const rows = isObject(state) ? state.rows : undefined;
  if (!isObject(state) || typeof rows !== "number" || !Number.isSafeInteger(rows) || rows < 0) {
    throw new Failure(`Cannot resume as ${path} is not the state of an import`);
  }
  if (state.sha256 !== sha256) {
    throw new Failure(`Cannot resume as ${csv} has changed since the import began`);
  }
  if (state.mode !== mode) {
    throw new Failure(`Cannot resume with --mode ${mode} as it began with ${state.mode}`);
  }
  return rows;
}
