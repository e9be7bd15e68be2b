/**
 * `deno task mutate`: plants small slips, one at a time, and runs the nearest tests: each must turn them red.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- this is the command that prints for the user
import { type Asked, readArgs } from "./args.ts";
import { type Copies, type Copy, git, openCopies } from "./copy.ts";
import { proofs } from "./guarantees.ts";
import { type Mutant, mutantsOf } from "./mutants.ts";
import { drawn } from "./sample.ts";
import { type Stage, type Target, targetOf, targets } from "./targets.ts";

/** Found, of those that are not equivalent. */
const FOUND_MIN = 0.95;
const ROOT = new URL("../..", import.meta.url).pathname;

interface Equivalent {
  readonly path: string;
  readonly before: string;
  readonly after: string;
  /** Which of the slips with these texts in the file; all when left out. */
  readonly nth?: number;
  readonly reason: string;
}

/** The slips of one part. */
interface Part {
  readonly target: Target;
  readonly all: number;
  readonly mutants: readonly Mutant[];
}

/** What became of the slips of a part. */
interface Score {
  readonly name: string;
  readonly all: number;
  readonly planted: number;
  found: number;
  equivalent: number;
  readonly survivors: string[];
}

async function partsOf({ parts, files, lines, sample, seed }: Asked): Promise<Part[]> {
  const paths = (await git(ROOT, "ls-files", "lua", "src")).split("\n").filter((path) => files.test(path));
  return await Promise.all(
    targets.filter(({ name }) => parts.has(name)).map(async (target) => {
      const own = paths.filter((path) => targetOf(path) === target);
      const texts = await Promise.all(own.map((path) => Deno.readTextFile(ROOT + path)));
      const all = own.flatMap((path, i) => mutantsOf(path, texts[i] ?? ""))
        .filter(({ path, line }) => lines.size === 0 || lines.has(`${path}:${line}`));
      return { target, all: all.length, mutants: drawn(all, sample, seed) };
    }),
  );
}

function named({ path, line, operator, before, after }: Mutant): string {
  return `${path}:${line} ${operator}: ${before} -> ${after || "(removed)"}`;
}

/** The stages of a part that are for a path. */
function stagesOf({ stages }: Target, path: string): readonly Stage[] {
  return stages.filter(({ files }) => files?.test(path) ?? true);
}

/** The test that finds what is planted; undefined when none does. */
async function finder(copy: Copy, stages: readonly Stage[]): Promise<string | undefined> {
  for (const stage of stages) {
    const { isPassed, by } = await copy.run(stage);
    if (!isPassed) return by;
  }
  return undefined;
}

/** Runs every task on the copies, each on one that is free. */
async function onCopies<T>(
  { all }: Copies,
  tasks: readonly T[],
  run: (copy: Copy, task: T) => Promise<void>,
): Promise<void> {
  const left = [...tasks];
  await Promise.all(all.map(async (copy) => {
    for (let task = left.shift(); task !== undefined; task = left.shift()) await run(copy, task);
  }));
}

async function mutatePart(copies: Copies, part: Part, equivalents: readonly Equivalent[]): Promise<Score> {
  const { target, all, mutants } = part;
  const survivors: string[] = [];
  const score: Score = {
    name: target.name,
    all,
    planted: mutants.length,
    found: 0,
    equivalent: 0,
    survivors,
  };
  await onCopies(copies, mutants, async (copy, mutant) => {
    const { path, before, after, nth, text } = mutant;
    const known = equivalents.find((other) =>
      other.path === path && other.before === before && other.after === after && (other.nth ?? nth) === nth
    );
    if (known) {
      score.equivalent++;
      console.log(`equivalent ${named(mutant)} (${known.reason})`);
      return;
    }
    const startedMs = performance.now();
    const by = await copy.planted(path, text, () => finder(copy, stagesOf(target, path)));
    const took = `${((performance.now() - startedMs) / 1000).toFixed(1)} s`;
    if (by === undefined) {
      survivors.push(named(mutant));
      console.log(`SURVIVED   ${named(mutant)} (${took})`);
    } else {
      score.found++;
      console.log(`killed     ${named(mutant)} (${took}, by '${by}')`);
    }
  });
  return score;
}

/** Why the tests of a part prove nothing; undefined when they are green without a slip. */
async function redWithout({ all }: Copies, { target, mutants }: Part): Promise<string | undefined> {
  const [first, ...others] = all;
  for (const stage of target.stages) {
    if (!first || !mutants.some(({ path }) => stage.files?.test(path) ?? true)) continue;
    const { isPassed, by } = await first.measure(stage);
    if (!isPassed) return `The tests of '${target.name}' are red without a slip: ${by}`;
    for (const other of others) other.learn(stage, first);
  }
  return undefined;
}

function share({ found, survivors }: Score): number {
  const changing = found + survivors.length;
  return changing === 0 ? 1 : found / changing;
}

function table(scores: readonly Score[]): string {
  const rows = scores.map((score) => {
    const { name, all, planted, found, equivalent, survivors } = score;
    const percent = `${(share(score) * 100).toFixed(1)} %`;
    return `| ${[name, all, planted, found, equivalent, survivors.length, percent].join(" | ")} |`;
  });
  const head = "| part | slips | planted | killed | equivalent | survived | found |";
  return [head, "| --- | --- | --- | --- | --- | --- | --- |", ...rows].join("\n");
}

async function mutate(parts: readonly Part[], asked: Asked): Promise<number> {
  const equivalents: Equivalent[] = JSON.parse(
    await Deno.readTextFile(new URL("equivalents.json", import.meta.url)),
  );
  await using copies = await openCopies(asked.jobs, asked.seed);
  const scores: Score[] = [];
  for (const part of parts) {
    const problem = await redWithout(copies, part);
    if (problem !== undefined) {
      console.error(problem);
      return 2;
    }
    scores.push(await mutatePart(copies, part, equivalents));
  }
  console.log(`\nseed ${asked.seed}\n\n${table(scores)}\n`);
  for (const survivor of scores.flatMap(({ survivors }) => survivors)) console.log(`survived: ${survivor}`);
  return scores.every((score) => share(score) >= FOUND_MIN) ? 0 : 1;
}

async function proveGuarantees(): Promise<number> {
  await using copies = await openCopies(1, 1);
  const [copy] = copies.all;
  let survived = 0;
  for (const { guarantee, slips } of copy ? proofs : []) {
    for (const { path, before, after, test } of slips) {
      const stage = { tests: [test.file], filter: test.title };
      const whole = await Deno.readTextFile(ROOT + path);
      const green = await copy?.run(stage);
      const planted = await copy?.planted(path, whole.replace(before, () => after), () => copy.run(stage));
      const verdict = !green?.isPassed ? "RED BEFORE" : planted?.isPassed ? "SURVIVED  " : "killed    ";
      if (verdict !== "killed    ") survived++;
      console.log(
        `${verdict} ${guarantee}: ${path}: ${before} -> ${after || "(removed)"} by '${test.title}'`,
      );
    }
  }
  return survived === 0 ? 0 : 1;
}

async function main(): Promise<number> {
  let asked: Asked | string;
  try {
    asked = readArgs(Deno.args);
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n'deno task mutate --help' says more`);
    return 2;
  }
  if (typeof asked === "string") {
    console.log(asked);
    return 0;
  }
  if (asked.isForGuarantees) return await proveGuarantees();
  const parts = (await partsOf(asked)).filter(({ mutants }) => mutants.length > 0);
  for (const { target, all, mutants } of parts) {
    console.log(`${target.name}: ${mutants.length} of ${all} slips, seed ${asked.seed}`);
  }
  if (parts.length === 0) {
    console.error("No slip is in what was asked for");
    return 2;
  }
  if (asked.isListed) {
    for (const mutant of parts.flatMap(({ mutants }) => mutants)) console.log(named(mutant));
    return 0;
  }
  return await mutate(parts, asked);
}

Deno.exit(await main());
