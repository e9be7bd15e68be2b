/**
 * House rules about Lua: a script's header is its contract, so it says what the script does and no more.
 *
 * @module
 */
import { isTestCode, type SourceFile, withoutComments } from "./files.ts";

/** A list in a header, as in `["adjust", deadline, [SKU, amount]]`: names, texts in quotes, lists. */
export type Shape = string | readonly Shape[];

/** What a header promises. */
export interface Header {
  /** The first word, before the colon. */
  readonly name: string;
  /** Everything in the header. */
  readonly text: string;
}

const headerSyntax = /--\[=\[ (\w+): ([\s\S]*?)\]=\]/;
const includeSyntax = /^-- @include "([^"]+)"$/gm;

/** The header of a Lua file; undefined without one. */
export function headerOf({ text }: SourceFile): Header | undefined {
  const [, name, body] = headerSyntax.exec(text) ?? [];
  return name === undefined || body === undefined ? undefined : { name, text: body };
}

/** A script without its header, its parts put in as the loader puts them. */
export function bodyOf(script: SourceFile, files: readonly SourceFile[]): string {
  const read = (part: string) => files.find(({ path }) => path === `lua/${part}`)?.text ?? "";
  const whole = script.text.replace(headerSyntax, "");
  return whole.replace(includeSyntax, (_, part: string) => read(part).replace(headerSyntax, ""));
}

/** Whether a file is a script of its own; else it is a part of one. */
export function isScript({ text }: SourceFile): boolean {
  return /^#!lua(?: flags=[a-z,-]+)?\n/.test(text);
}

/** A header is there and bears the file's name; the parts that it asks for exist and ask for none. */
export function brokenParts(script: SourceFile, files: readonly SourceFile[]): string[] {
  const problems: string[] = [];
  const name = headerOf(script)?.name;
  if (`lua/${name}.lua` !== script.path) problems.push(`${script.path} has no header of its own name`);
  for (const [, part = ""] of script.text.matchAll(includeSyntax)) {
    const file = files.find(({ path }) => path === `lua/${part}`);
    if (!file) problems.push(`${script.path} includes ${part}, which does not exist`);
    else if (isScript(file) || file.text.search(includeSyntax) >= 0) {
      problems.push(`${script.path} includes ${part}, which is not a part`);
    }
  }
  return problems;
}

/** A part that no script includes is dead. */
export function unusedParts(files: readonly SourceFile[]): string[] {
  const lua = files.filter(({ path }) => path.startsWith("lua/"));
  const included = new Set(
    lua.flatMap(({ text }) => [...text.matchAll(includeSyntax)].map(([, part]) => `lua/${part}`)),
  );
  return lua.filter((file) => !isScript(file) && !included.has(file.path)).map(({ path }) =>
    `${path} is in no script`
  );
}

/** Every `ARGV[n]` of the header is used, every one that is used is in the header. */
export function argumentDrift(script: SourceFile, files: readonly SourceFile[]): string[] {
  const [promised, used] = [headerOf(script)?.text ?? "", bodyOf(script, files)].map((text) =>
    new Set([...text.matchAll(/\bARGV\[\d+\]/g)].map(([argument]) => argument))
  );
  if (!promised || !used) return [];
  return [
    ...[...promised].filter((argument) => !used.has(argument)).map((argument) =>
      `${script.path} does not use its ${argument}`
    ),
    ...[...used].filter((argument) => !promised.has(argument)).map((argument) =>
      `${script.path} says nothing of its ${argument}`
    ),
  ];
}

/** Keys are the shard's, in the one order; a script that does not list them says whose order it takes. */
export function keyDrift(
  script: SourceFile,
  files: readonly SourceFile[],
  names: readonly string[],
): string[] {
  const { text } = headerOf(script) ?? { text: "" };
  const listed = [...text.matchAll(/^ *KEYS\[(\d+)\] +(\S+) +\{inventory:<shard>\}:(\S+) /gm)];
  const problems: string[] = [];
  if (listed.length > 0) {
    const found = listed.map(([, index, name, key]) =>
      name === key ? `${index} ${name}` : `${name} is ${key}`
    );
    const wanted = names.map((name, i) => `${i + 1} ${name}`);
    if (found.join() !== wanted.join()) {
      problems.push(`${script.path} lists ${found}: the keys are ${wanted}`);
    }
  } else if (
    !/\bthe nine keys of lua\/decide\.lua, in the same order\b/.test(text) || names.length !== 9
  ) {
    problems.push(`${script.path} does not say that it takes the ${names.length} keys of lua/decide.lua`);
  }
  for (const [key, index] of bodyOf(script, files).matchAll(/\bKEYS\[(\d+)\]/g)) {
    if (Number(index) < 1 || Number(index) > names.length) problems.push(`${script.path} uses ${key}`);
  }
  return problems;
}

/**
 * The lists that stand under a title in a header, one a line, up to the next title or empty line.
 *
 * @param title how the line begins, e.g. `Replies of commands`
 */
export function shapesUnder(title: string, { text }: Header): Shape[] {
  const lines = text.split("\n");
  const first = lines.findIndex((line) => line.startsWith(`  ${title}`));
  const shapes: Shape[] = [];
  for (const line of lines.slice(first + 1)) {
    if (!line.startsWith("    ")) break;
    if (line.trimStart().startsWith("[")) shapes.push(parseShape(line.trim()));
  }
  return first < 0 ? [] : shapes;
}

/** Reads `["name", position, [inner, ...]]`; what follows the last bracket is for people. */
export function parseShape(text: string): Shape {
  const stack: Shape[][] = [[]];
  for (const [token] of text.matchAll(/[[\],]|"[^"]*"|[^[\],"]+/g)) {
    const top = stack.at(-1) ?? [];
    if (token === "[") {
      const list: Shape[] = [];
      top.push(list);
      stack.push(list);
    } else if (token === "]") {
      stack.pop();
      if (stack.length === 1) break;
    } else if (token !== "," && token.trim() !== "" && token.trim() !== "...") {
      top.push(token.trim());
    }
  }
  return stack[0]?.[0] ?? [];
}

/** The first position of a list, when it is a text in quotes. */
export function shapeName(shape: Shape): string {
  const first = typeof shape === "string" ? "" : shape[0];
  return typeof first === "string" ? first.replaceAll('"', "") : "";
}

/** Commands with which the product could write, or begin a transaction that writes. */
const writeCommand =
  /"(HSET|HDEL|HINCRBY|HSETNX|SET|SETEX|SETNX|DEL|UNLINK|RENAME|EXPIRE|PEXPIRE|PERSIST|XADD|XTRIM|XDEL|ZADD|ZREM|INCR|INCRBY|COPY|RESTORE|MULTI|EVAL)"/g;

/**
 * The product writes to Redis by scripts only: each has a contract, and Redis runs it in one step. Code that sends a
 * command that writes is found by the command's name in quotes.
 */
export function writesOutsideScripts(file: SourceFile): string[] {
  if (!file.path.endsWith(".ts") || isTestCode(file.path)) return [];
  return [...withoutComments(file.text).matchAll(writeCommand)].map(([, command]) =>
    `${file.path} sends ${command}: a script in lua/ does that, with a header`
  );
}

/**
 * Bounds in Lua, `local QUANTITY_MAX = 1000000000000`, are those of `limits` in TypeScript, `quantityMax`. Names that end
 * otherwise are positions, or of Lua alone.
 */
export function boundDrift(file: SourceFile, limits: Readonly<Record<string, number>>): string[] {
  const problems: string[] = [];
  for (const [, name = "", value] of file.text.matchAll(/^local ([A-Z_]+_(?:MAX|MS)) *= *(\d+)/gm)) {
    const key = name.toLowerCase().replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
    if (limits[key] === undefined) problems.push(`${file.path} has ${name}, limits have no ${key}`);
    else if (limits[key] !== Number(value)) {
      problems.push(`${file.path} has ${name} = ${value}, limits have ${key} = ${limits[key]}`);
    }
  }
  return problems;
}
