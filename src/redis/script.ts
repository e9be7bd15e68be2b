/**
 * Assembles Lua scripts from files, and computes their digest.
 *
 * @module
 */
import { createHash } from "node:crypto";

/** A script, ready to load. */
export interface Script {
  /** The name of its file in `lua/`, without the ending. */
  readonly name: string;
  /** The text with all parts included. */
  readonly source: string;
  /** SHA-1 of the source, the argument of `EVALSHA`. */
  readonly sha: string;
}

const folder = new URL("../../lua/", import.meta.url);
const include = /^-- @include "([a-z_]+\.lua)"$/gm;

/** SHA-1 of a script's text, as Redis computes it. */
export function digestOf(source: string): string {
  return createHash("sha1").update(source).digest("hex");
}

/** Reads `lua/<name>.lua` with its parts. A part may not include another. */
export function readScript(name: string): Script {
  const read = (file: string) => Deno.readTextFileSync(new URL(file, folder));
  const source = read(`${name}.lua`).replace(include, (_, part: string) => read(part));
  return { name, source, sha: digestOf(source) };
}

/**
 * The deciding scripts of earlier versions that did not store theirs in the ledger: `lua/previous/<SHA-1>.lua`.
 *
 * @throws {RangeError} when a file's digest is not its name
 */
export function readPreviousScripts(): Script[] {
  const previous = new URL("previous/", folder);
  const files = [...Deno.readDirSync(previous)].map(({ name }) => name).toSorted();
  return files.map((file) => {
    const source = Deno.readTextFileSync(new URL(file, previous));
    const sha = digestOf(source);
    if (file !== `${sha}.lua`) throw new RangeError(`Cannot use lua/previous/${file} as its SHA-1 is ${sha}`);
    return { name: "decide", source, sha };
  });
}
