/**
 * What the command was asked for.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { targets } from "./targets.ts";

const names = targets.map(({ name }) => name);

/** What `--help` prints. */
export const help =
  `Plants small slips into the script, the batcher, the relay, the arming and the ledger, and runs their nearest tests.

  deno task mutate                            10 slips of each part, drawn by a seed that is printed
  deno task mutate --part=script,ledger       only of these parts: ${names.join(", ")}
  deno task mutate --sample=60 --seed=7       60 of each part; the same seed draws the same slips. 0 = all
  deno task mutate --files='lua/*'            only in files that a glob matches; '*' matches slashes too
  deno task mutate --at=lua/sell.lua:34       only in these lines, separated by commas
  deno task mutate --list                     prints the slips, and runs nothing
  deno task mutate --jobs=1                   one slip at a time; 2 is the default
  deno task mutate --guarantees               the slips of docs/guarantees.md: each breaks a guarantee, and its test must fail

It works in copies of the tree, uncommitted changes included. tools/mutate/equivalents.json lists slips that change
nothing, each with its reason.

Exit codes: 0 of every part at least 95 % of the slips that change something are found; 1 fewer are; 2 asked wrongly, or
the tests are red without a slip.`;

/** The arguments. */
export interface Asked {
  readonly parts: ReadonlySet<string>;
  readonly files: RegExp;
  /** Lines as `path:line`; empty for all. */
  readonly lines: ReadonlySet<string>;
  /** So many slips of each part. */
  readonly sample: number;
  readonly seed: number;
  readonly jobs: number;
  readonly isListed: boolean;
  readonly isForGuarantees: boolean;
}

/** Reads the arguments; the text to print when they ask for help. @throws TypeError when asked wrongly */
export function readArgs(args: readonly string[]): Asked | string {
  const { values } = parseArgs({
    args: [...args],
    options: {
      part: { type: "string", default: names.join(",") },
      files: { type: "string", default: "*" },
      at: { type: "string", default: "" },
      sample: { type: "string", default: "10" },
      seed: { type: "string", default: String(Math.floor(Math.random() * 2 ** 31)) },
      jobs: { type: "string", default: "2" },
      list: { type: "boolean", default: false },
      guarantees: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return help;
  const count = (name: "sample" | "seed" | "jobs") => {
    const value = Number(values[name]);
    if (Number.isSafeInteger(value) && value >= 0) return value;
    throw new TypeError(`--${name} must be an integer >= 0: it is '${values[name]}'`);
  };
  const parts = values.part.split(",");
  const unknown = parts.find((name) => !names.includes(name));
  if (unknown !== undefined) throw new TypeError(`--part must be of ${names.join(", ")}: it is '${unknown}'`);
  const glob = values.files.replace(/[.+^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*").replaceAll("?", ".");
  const lines = new Set(values.at === "" ? [] : values.at.split(","));
  return {
    parts: new Set(parts),
    files: new RegExp(`^${glob}$`),
    lines,
    sample: lines.size > 0 ? Infinity : count("sample") || Infinity,
    seed: count("seed"),
    jobs: Math.max(1, count("jobs")),
    isListed: values.list,
    isForGuarantees: values.guarantees,
  };
}
