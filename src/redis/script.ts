/**
 * Lua files as Redis takes them: parts put together, and the digest that names the whole.
 *
 * @module
 */
import { createHash } from "node:crypto";

/** A script, ready to load. */
export interface Script {
  /** Of its file in `lua/`, without the ending. */
  readonly name: string;
  /** The whole text, with every part in its place. */
  readonly source: string;
  /** SHA-1 of the source: the name that `EVALSHA` takes. */
  readonly sha: string;
}

const folder = new URL("../../lua/", import.meta.url);
const include = /^-- @include "([a-z_]+\.lua)"$/gm;

/** Reads `lua/<name>.lua` with its parts. A part may not include another. */
export function readScript(name: string): Script {
  const read = (file: string) => Deno.readTextFileSync(new URL(file, folder));
  const source = read(`${name}.lua`).replace(include, (_, part: string) => read(part));
  return { name, source, sha: createHash("sha1").update(source).digest("hex") };
}
