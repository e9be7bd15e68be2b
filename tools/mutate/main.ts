/**
 * `deno task mutate`: plants small slips, one at a time, and runs the nearest tests: each must turn them red.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- this is the command that prints for the user
import { parseArgs } from "node:util";
import { proofs, type Slip } from "./guarantees.ts";
import { type Mutant, mutantsOf } from "./mutants.ts";
import { type Target, targetOf } from "./targets.ts";

const help =
  `Plants small slips into the script, the batcher, the relay, the arming and the ledger, and runs their nearest tests.

  deno task mutate                     40 slips, drawn by a seed that is printed
  deno task mutate --files='lua/*'     only in files that a glob matches; '*' matches slashes too
  deno task mutate --max=100           so many slips; 0 = all
  deno task mutate --seed=7            the same slips again
  deno task mutate --list              prints the slips, and runs nothing
  deno task mutate --guarantees        the slips of docs/guarantees.md: each breaks a guarantee, and its test must fail

It works in a copy of the tree, uncommitted changes included. tools/mutate/equivalents.json lists slips that change
nothing, each with its reason.

Exit codes: 0 at least 95 % of the slips that change something are found; 1 fewer are; 2 asked wrongly, or the tests
are red without a slip.`;

/** Found, of those that are not equivalent. */
const FOUND_MIN = 0.95;
/** A slip may make a loop endless. The slowest stage takes half a minute on two quiet cores. */
const STAGE_DEADLINE_MS = 240_000;
const ROOT = new URL("../..", import.meta.url).pathname;

interface Equivalent {
  readonly path: string;
  readonly before: string;
  readonly after: string;
  readonly reason: string;
}

interface Asked {
  readonly files: RegExp;
  readonly max: number;
  readonly seed: number;
  readonly isListed: boolean;
  readonly isForGuarantees: boolean;
}

function readArgs(args: readonly string[]): Asked | string {
  const { values } = parseArgs({
    args: [...args],
    options: {
      files: { type: "string", default: "*" },
      max: { type: "string", default: "40" },
      seed: { type: "string", default: String(Math.floor(Math.random() * 2 ** 31)) },
      list: { type: "boolean", default: false },
      guarantees: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return help;
  const count = (name: "max" | "seed") => {
    const value = Number(values[name]);
    if (Number.isSafeInteger(value) && value >= 0) return value;
    throw new TypeError(`--${name} must be an integer >= 0: it is '${values[name]}'`);
  };
  const glob = values.files.replace(/[.+^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*").replaceAll("?", ".");
  return {
    files: new RegExp(`^${glob}$`),
    max: count("max") || Infinity,
    seed: count("seed"),
    isListed: values.list,
    isForGuarantees: values.guarantees,
  };
}

async function git(folder: string, ...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command("git", { args: ["-C", folder, ...args] })
    .output();
  if (!success) throw new Error(`git ${args[0]}: ${new TextDecoder().decode(stderr).trim()}`);
  return new TextDecoder().decode(stdout);
}

async function allMutants({ files }: Asked): Promise<Mutant[]> {
  const paths = (await git(ROOT, "ls-files", "lua", "src")).split("\n")
    .filter((path) => files.test(path) && targetOf(path));
  return (await Promise.all(paths.map(async (path) => mutantsOf(path, await Deno.readTextFile(ROOT + path)))))
    .flat();
}

/** As many as were asked for, the same for the same seed, in the order of files. */
function drawn(mutants: readonly Mutant[], { max, seed }: Asked): Mutant[] {
  let state = seed >>> 0;
  const ranked = mutants.map((mutant, index) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return { mutant, index, rank: state };
  });
  return ranked.toSorted((a, b) => a.rank - b.rank).slice(0, max)
    .toSorted((a, b) => a.index - b.index).map(({ mutant }) => mutant);
}

/** A copy of the tree, which is removed at the end. */
async function openCopy(): Promise<{ folder: string } & AsyncDisposable> {
  const folder = await Deno.makeTempDir({ prefix: "holdfast_mutate_" });
  await Deno.chmod(folder, 0o755); // PostgreSQL runs as another user, and starts here
  await git(ROOT, "worktree", "add", "--detach", "--force", folder, "HEAD");
  const changes = `${folder}.patch`;
  await Deno.writeTextFile(changes, await git(ROOT, "diff", "--binary", "HEAD"));
  if ((await Deno.stat(changes)).size > 0) await git(folder, "apply", changes);
  await Deno.remove(changes);
  return {
    folder,
    [Symbol.asyncDispose]: async () => void await git(ROOT, "worktree", "remove", "--force", folder),
  };
}

/** Whether a set of tests passes. A run that takes too long does not. */
async function passes(folder: string, tests: readonly string[]): Promise<boolean> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-P=tools", "tests/run.ts", "--no-check", "--fail-fast", ...tests],
    cwd: folder,
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  // The runner ends its servers when it is asked to.
  const timer = setTimeout(() => child.kill("SIGTERM"), STAGE_DEADLINE_MS);
  const { success } = await child.status;
  clearTimeout(timer);
  return success;
}

/** Whether the tests of a target find what is in the copy now. */
async function isFound(folder: string, { stages }: Target): Promise<boolean> {
  for (const tests of stages) if (!await passes(folder, tests)) return true;
  return false;
}

function named({ path, line, operator, before, after }: Mutant): string {
  return `${path}:${line} ${operator}: ${before} -> ${after || "(removed)"}`;
}

/** Plants a slip and runs its test. */
async function isSlipFound(folder: string, { path, before, after, test }: Slip): Promise<boolean> {
  const file = `${folder}/${path}`;
  const whole = await Deno.readTextFile(file);
  await Deno.writeTextFile(file, whole.replace(before, () => after));
  const isFound = !await passes(folder, [test.file, "--filter", test.title]);
  await Deno.writeTextFile(file, whole);
  return isFound;
}

async function proveGuarantees(): Promise<number> {
  await using copy = await openCopy();
  let survived = 0;
  for (const { guarantee, slips } of proofs) {
    for (const slip of slips) {
      const { path, before, after, test } = slip;
      const isRedWithout = !await passes(copy.folder, [test.file, "--filter", test.title]);
      const verdict = isRedWithout
        ? "RED BEFORE"
        : await isSlipFound(copy.folder, slip)
        ? "killed    "
        : "SURVIVED  ";
      if (verdict !== "killed    ") survived++;
      console.log(
        `${verdict} ${guarantee}: ${path}: ${before} -> ${after || "(removed)"} by '${test.title}'`,
      );
    }
  }
  return survived === 0 ? 0 : 1;
}

async function mutate(mutants: readonly Mutant[], equivalents: readonly Equivalent[]): Promise<number> {
  await using copy = await openCopy();
  for (const target of new Set(mutants.map(({ path }) => targetOf(path)))) {
    if (target && await isFound(copy.folder, target)) {
      console.error(`The tests of '${target.name}' are red without a slip`);
      return 2;
    }
  }
  let [found, survived, same] = [0, 0, 0];
  for (const mutant of mutants) {
    const { path, before, after } = mutant;
    const target = targetOf(path);
    const known = equivalents.find((other) =>
      other.path === path && other.before === before && other.after === after
    );
    if (known || !target) {
      same++;
      console.log(`equivalent ${named(mutant)} (${known?.reason})`);
      continue;
    }
    const file = `${copy.folder}/${path}`;
    const whole = await Deno.readTextFile(file);
    await Deno.writeTextFile(file, mutant.text);
    const isKilled = await isFound(copy.folder, target);
    await Deno.writeTextFile(file, whole);
    if (isKilled) found++;
    else survived++;
    console.log(`${isKilled ? "killed    " : "SURVIVED  "} ${named(mutant)}`);
  }
  const share = found + survived === 0 ? 1 : found / (found + survived);
  console.log(
    `${found} killed, ${survived} survived, ${same} equivalent: ${(share * 100).toFixed(1)} % found`,
  );
  return share >= FOUND_MIN ? 0 : 1;
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
  const all = await allMutants(asked);
  const mutants = drawn(all, asked);
  console.log(`seed ${asked.seed}: ${mutants.length} of ${all.length} slips`);
  if (mutants.length === 0) {
    console.error("--files matches no file that is mutated");
    return 2;
  }
  if (asked.isListed) {
    for (const mutant of mutants) console.log(named(mutant));
    return 0;
  }
  const equivalents: Equivalent[] = JSON.parse(
    await Deno.readTextFile(new URL("equivalents.json", import.meta.url)),
  );
  return await mutate(mutants, equivalents);
}

Deno.exit(await main());
