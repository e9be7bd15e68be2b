/**
 * `deno task test`, `test:backends`, `test:containers`, `faults` and `bench`: gets real servers, runs every test on them,
 * stops them.
 *
 *     deno task test [file…] [--filter name]      ends with the line "N passed, N failed"
 *     deno task test:backends [--filter name]     the same on real telemetry backends, which it builds once
 *     deno task test:containers [--if-possible]   compose.yaml on an engine of its own, with stand-in images
 *     deno task faults [--short] [file…]          strikes every fault, for long, and writes docs/faults.md
 *     deno task bench [file…] [--filter name]
 *
 * TEST_REDIS_URL, TEST_VALKEY_URL and TEST_DATABASE_URL choose other servers, which must be empty.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- this is the command that prints for the user
import { engineProblem, startProblem } from "./containers/engine.ts";
import { installBackends } from "./backends/install.ts";
import { faultsDocument, type Measured, replaceRows } from "./fault/faults_document.ts";
import { belowFloor, coverageOf, FLOOR_PERCENT, NOT_COVERED } from "./coverage.ts";
import { readReport } from "./report.ts";
import { removeStaleNetworks } from "../tools/servers/network.ts";
import { cleanDatabases, cleanRedis, refuseUsedDatabase, refuseUsedRedis } from "../tools/servers/outside.ts";
import {
  openRun,
  type Run,
  SHARED_VARIABLES,
  type SharedServer,
  track,
  untrack,
} from "../tools/servers/run_folder.ts";
import { missingServers, sharedServers, startShared } from "../tools/servers/shared_servers.ts";

type Mode = "test" | "backends" | "containers" | "faults" | "bench";

const MODES: readonly string[] = ["backends", "containers", "faults", "bench"] satisfies Mode[];

/** How a run ended, and why when the output above does not say it. Benchmarks count nothing. */
interface Result {
  readonly code: number;
  readonly reasons: readonly string[];
  readonly counts?: { readonly passed: number; readonly failed: number };
}

/** Tests whose faults are rows of docs/faults.md. */
const FAULT_TESTS = [
  "tests/net/partitions_test.ts",
  "tests/net/broker_link_test.ts",
  "tests/fault/real_faults_test.ts",
  "tests/fault/failover_faults_test.ts",
  "tests/fault/overload_test.ts",
  "tests/fault/backlog_faults_test.ts",
  "tests/fault/many_clients_test.ts",
  "tests/kafka/brokers_test.ts",
];

/** The rows of docs/faults.md, for the next run of a part of these tests. */
const FAULT_ROWS = "docs/faults.json";

// Their programs take minutes to build on a new machine, so they have a task of their own, and names that
// `deno test` does not look for.
const TESTS_OF: Partial<Record<Mode, readonly string[]>> = {
  backends: ["tests/backends/order_backends.ts", "tests/backends/rules_backends.ts"],
  containers: ["tests/containers/compose_containers.ts"],
  faults: FAULT_TESTS,
};

// The whole suite takes about 25 minutes on two quiet cores. Installing and building before it is not counted: that may
// take as long again on a busy machine, and each build has a limit of its own.
const TESTS_DEADLINE_MS = 60 * 60_000;
/** The durations of the long faults, with what is measured before and after each, add up to some 35 minutes. */
const FAULTS_DEADLINE_MS = 120 * 60_000;

/** Exit codes above it are of a process that a signal ended, as Ctrl-C does. */
const SIGNALLED = 128;

/** Named at the end of a run: where to begin when the suite takes too long. */
const SLOWEST_FILES = 25;

/** As the suite has them: a document in minutes. */
const SHORT = "--short";

/** For CI: where no engine can run, or dockerd does not start, `containers` says why and succeeds. */
const IF_POSSIBLE = "--if-possible";

const STOP_SIGNALS: Partial<Record<Deno.Signal, number>> = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 };

const REFUSE_USED: Record<SharedServer, (variable: string, url: string) => Promise<void>> = {
  redis: refuseUsedRedis,
  valkey: refuseUsedRedis,
  postgres: refuseUsedDatabase,
};

const CLEAN: Record<SharedServer, (url: string) => Promise<void>> = {
  redis: cleanRedis,
  valkey: cleanRedis,
  postgres: cleanDatabases,
};

async function main(args: readonly string[]): Promise<number> {
  const [first] = args;
  const mode = first !== undefined && MODES.includes(first) ? first as Mode : "test";
  const rest = mode === "test" ? args : args.slice(1).filter((arg) => arg !== IF_POSSIBLE && arg !== SHORT);
  const stopped = stopRequest();
  const run = await openRun();
  const problem = mode === "containers" ? engineProblem() ?? await startProblem(console.error) : undefined;
  if (problem !== undefined) {
    await run.close();
    const isWanted = !args.includes(IF_POSSIBLE);
    console.error(`Cannot run containers here: ${problem}`);
    if (isWanted) console.log("\n0 passed, 1 failed");
    return isWanted ? 1 : 0;
  }
  const ours = missingServers();
  const outside = sharedServers().filter((server) => !ours.includes(server));
  let result = await Promise.race([stopped, runOnServers(mode, rest, run, outside, ours)]).catch(broken);
  await Promise.all(outside.map((server) => CLEAN[server](urlOf(server)))).catch((error) =>
    result = broken(error)
  );
  await run.close();
  await removeStaleNetworks();
  // Last and on stdout: of a long log the end alone may be kept.
  for (const reason of result.reasons) console.log(`\n${reason}`);
  if (result.counts) console.log(`\n${result.counts.passed} passed, ${result.counts.failed} failed`);
  return result.code;
}

function urlOf(server: SharedServer): string {
  return Deno.env.get(SHARED_VARIABLES[server]) ?? "";
}

async function runOnServers(
  mode: Mode,
  args: readonly string[],
  run: Run,
  outside: readonly SharedServer[],
  ours: readonly SharedServer[],
): Promise<Result> {
  for (const server of outside) await REFUSE_USED[server](SHARED_VARIABLES[server], urlOf(server));
  await startShared(ours, console.log);
  if (mode === "bench") return await runBenchmarks(args);
  if (mode === "backends") await installBackends(console.log);
  const rowsFile = mode === "faults" ? collectRows(run) : undefined;
  // Of a part of the tests coverage would say nothing.
  const coverageDir = mode === "test" && args.length === 0 ? `${run.dir}/coverage` : undefined;
  const parts = coverageDir === undefined ? [testsOf(mode, args)] : [
    [`--coverage=${coverageDir}`, "--coverage-raw-data-only", `--ignore=${NOT_COVERED.join(",")}`],
    NOT_COVERED,
  ];
  const tests = await Promise.race([
    runTests(run, parts),
    tooLong(mode === "faults" ? FAULTS_DEADLINE_MS : TESTS_DEADLINE_MS),
  ]);
  if ("reasons" in tests) return tests;
  const result = judge(tests.code, tests.junit);
  if (rowsFile !== undefined && result.code === 0) {
    await writeFaults(rowsFile, { isWhole: args.length === 0 });
  }
  const why = coverageDir === undefined ? undefined : await judgeCoverage(coverageDir);
  return why === undefined
    ? result
    : { ...result, code: result.code || 1, reasons: [...result.reasons, why] };
}

/** All tests of a mode; of the faults, those that are named, if any are. */
function testsOf(mode: Mode, args: readonly string[]): readonly string[] {
  const isPart = mode === "faults" && args.some((arg) => arg.endsWith(".ts"));
  return isPart ? args : [...TESTS_OF[mode] ?? [], ...args];
}

/** Runs parts of the tests one after the other. The code is that of the first part that failed. */
async function runTests(
  { dir }: Run,
  parts: readonly (readonly string[])[],
): Promise<{ readonly code: number; readonly junit: string }> {
  let [code, junit] = [0, ""];
  for (const [n, part] of parts.entries()) {
    const file = `${dir}/junit-${n}.xml`;
    const ended = await runDeno(["test", "--allow-all", `--junit-path=${file}`, ...part]);
    code ||= ended;
    junit += await Deno.readTextFile(file).catch(() => "");
    if (ended > SIGNALLED) break;
  }
  return { code, junit };
}

/** Says how much of the product ran; why the run is refused when that is too little. */
async function judgeCoverage(dir: string): Promise<string | undefined> {
  const file = `${dir}.lcov`;
  // Of this tree alone: some tests run copies of it, which are gone by now.
  const src = new URL("../src/", import.meta.url).href.replace(/[.+*?^${}()|[\]\\]/g, "\\$&");
  await runDeno(["coverage", "--lcov", `--output=${file}`, `--include=^${src}`, dir]);
  const lcov = await Deno.readTextFile(file).catch(() => "");
  const { hit, found } = coverageOf(lcov);
  console.log(`coverage of src: ${hit} of ${found} lines`);
  return belowFloor(lcov, FLOOR_PERCENT);
}

/** From now on every fault that is struck is a row of a file. */
function collectRows({ dir }: Run): string {
  const file = `${dir}/faults.jsonl`;
  Deno.env.set("FAULT_ROWS", file);
  if (!Deno.args.includes(SHORT)) Deno.env.set("FAULT_LONG", "1");
  return file;
}

/** Of a part of the tests only the rows of its faults change. */
async function writeFaults(rowsFile: string, { isWhole }: { readonly isWhole: boolean }): Promise<void> {
  const measured: Measured = {
    date: new Date().toISOString().slice(0, 10),
    cores: navigator.hardwareConcurrency,
    load: Deno.loadavg()[1] ?? 0,
    isLong: Deno.env.get("FAULT_LONG") === "1",
  };
  const rows = (await Deno.readTextFile(rowsFile)).trim().split("\n").map((line) => ({
    ...JSON.parse(line),
    ...measured,
  }));
  const stored = isWhole ? [] : JSON.parse(await Deno.readTextFile(FAULT_ROWS));
  const merged = replaceRows(stored, rows);
  await Deno.writeTextFile(FAULT_ROWS, JSON.stringify(merged));
  await Deno.writeTextFile("docs/faults.md", faultsDocument(merged));
  await runDeno(["fmt", "--quiet", "docs/faults.md", FAULT_ROWS]);
}

async function runBenchmarks(args: readonly string[]): Promise<Result> {
  const code = await runDeno(["bench", "--allow-all", ...args]);
  // What Redis itself spends is no time of ours: a report of the benchmarks.
  if (args.length === 0) await runDeno(["run", "--allow-all", "bench/script_cost.ts"]);
  return { code, reasons: [] };
}

async function runDeno(args: readonly string[]): Promise<number> {
  const child = new Deno.Command(Deno.execPath(), { args: [...args], stdin: "null" }).spawn();
  track(child.pid, `deno ${args.join(" ")}`);
  const { code } = await child.status;
  untrack(child.pid);
  return code;
}

/** Resolves when the tests have taken too long; the run's end then stops them. */
function tooLong(deadlineMs: number): Promise<Result> {
  const reasons = [`Stopped as the tests took longer than ${deadlineMs} ms.`];
  return new Promise((resolve) => {
    Deno.unrefTimer(setTimeout(resolve, deadlineMs, { code: 1, reasons }));
  });
}

/** The result of `deno test`. What it lets pass in silence, an ignored test or a run without any, fails here. */
function judge(code: number, junit: string): Result {
  const { passed, failed, ignored, failures, files } = readReport(junit);
  const slowest = files.slice(0, SLOWEST_FILES).filter(({ seconds }) => seconds >= 1);
  if (slowest.length > 1) {
    console.log(
      `\nslowest files: ${slowest.map((one) => `${one.file} ${one.seconds.toFixed(0)} s`).join(", ")}`,
    );
  }
  const reasons = failures.map((failure) => `FAILED ${failure}`);
  if (ignored.length > 0) reasons.push(`Ignored tests count as failed: ${ignored.join(", ")}`);
  const isBroken = failed === 0 && (code !== 0 || passed + ignored.length === 0);
  if (isBroken) {
    reasons.push(
      code === 0
        ? "No test ran, which counts as a failure."
        : "deno test failed outside of any test, see above.",
    );
  }
  const counts = { passed, failed: failed + ignored.length + (isBroken ? 1 : 0) };
  return { code: code === 0 && counts.failed > 0 ? 1 : code, reasons, counts };
}

/** Resolves when the run is to end early. Ctrl-C reaches every process of the terminal; this one outlives them. */
function stopRequest(): Promise<Result> {
  return new Promise((resolve) => {
    const stop = (code: number, reason: string) => resolve({ code, reasons: [`Stopped ${reason}.`] });
    for (const [signal, code] of Object.entries(STOP_SIGNALS)) {
      Deno.addSignalListener(signal as Deno.Signal, () => stop(code, `by ${signal}`));
    }
  });
}

function broken(error: unknown): Result {
  const reasons = error instanceof Error ? [error.message] : [String(error)];
  if (error instanceof Error && error.cause instanceof Error) reasons.push(error.cause.message);
  return { code: 1, reasons, counts: { passed: 0, failed: 1 } };
}

Deno.exit(await main(Deno.args));
