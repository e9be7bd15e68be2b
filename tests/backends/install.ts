/**
 * Finds the real telemetry backends, and builds those that are missing: none of them comes as a package here.
 *
 * They are built by Go from their own modules, at the versions below, into a folder of the user's cache: about seven
 * minutes the first time on two cores (twelve with Loki), nothing afterwards.
 *
 * @module
 */
import { join } from "node:path";
import { runCommand } from "../../tools/servers/command.ts";

/** A program of a backend. */
export type BackendProgram = "otelcol" | "jaeger" | "prometheus" | "promtool" | "loki";

// Of a piece: the Collector's parts carry its own version, Jaeger 1.76 holds the program of Jaeger 2.13, and
// Prometheus 3.16 is numbered v0.316 as a module.
const COLLECTOR = "v0.155.0";
const JAEGER = "v1.76.0";
const PROMETHEUS = "v0.316.0";
const LOKI = "v3.7.8";

// Loki alone took 327 s on a busy machine of two cores. A build that was cut goes on from Go's own cache.
const BUILD_DEADLINE_MS = 60 * 60_000;
const PROGRESS_MS = 60_000;
const MANIFEST = join(import.meta.dirname ?? ".", "collector_manifest.yaml");

interface Recipe {
  readonly version: string;
  /** Builds the program into `target`; `work` is an empty folder of its own. */
  readonly build: (target: string, work: string) => Promise<void>;
}

const RECIPES: Readonly<Record<BackendProgram, Recipe>> = {
  otelcol: { version: COLLECTOR, build: buildCollector },
  jaeger: { version: JAEGER, build: wrapped("github.com/jaegertracing/jaeger", JAEGER, "cmd/jaeger") },
  prometheus: { version: PROMETHEUS, build: ofPrometheus("prometheus") },
  promtool: { version: PROMETHEUS, build: ofPrometheus("promtool") },
  loki: { version: LOKI, build: wrapped("github.com/grafana/loki/v3", LOKI, "cmd/loki") },
};

/** The full path of a program, whether it is there or not. */
export function backendProgram(name: BackendProgram): string {
  return join(cacheFolder(), `${name}-${RECIPES[name].version}`);
}

/** Whether nothing would have to be built. */
export function backendsAreBuilt(): boolean {
  return (Object.keys(RECIPES) as BackendProgram[]).every((name) => exists(backendProgram(name)));
}

/** Builds what is missing of `wanted` (all); says so through `report`, because it takes minutes. */
export async function installBackends(
  report: (line: string) => void,
  wanted: readonly BackendProgram[] = Object.keys(RECIPES) as BackendProgram[],
): Promise<void> {
  const missing = wanted.filter((name) => !exists(backendProgram(name)));
  if (missing.length === 0) return;
  await refuseWithoutGo();
  await Deno.mkdir(cacheFolder(), { recursive: true });
  for (const [i, name] of missing.entries()) {
    const what = `${name} ${RECIPES[name].version} (${i + 1} of ${missing.length})`;
    report(`Building ${what}, which takes minutes the first time`);
    const startedMs = performance.now();
    const progress = setInterval(() => {
      report(`Still building ${what}: ${Math.round((performance.now() - startedMs) / 1000)} s`);
    }, PROGRESS_MS);
    const work = await Deno.makeTempDir({ prefix: `holdfast-${name}-` });
    try {
      const built = join(work, "built");
      await RECIPES[name].build(built, work);
      await Deno.chmod(built, 0o755);
      // Moved when complete, within the folder's own disk: a run that is interrupted leaves no half program.
      await Deno.copyFile(built, `${backendProgram(name)}.part`);
      await Deno.rename(`${backendProgram(name)}.part`, backendProgram(name));
    } finally {
      clearInterval(progress);
      await Deno.remove(work, { recursive: true });
    }
  }
}

async function refuseWithoutGo(): Promise<void> {
  await runCommand("go", ["version"], { deadlineMs: 30_000 }).catch((cause) => {
    throw new Error(
      "Cannot build the telemetry backends without Go 1.26 or newer: install it from https://go.dev/dl, " +
        "then run again:\n  deno task test:backends",
      { cause },
    );
  });
}

function cacheFolder(): string {
  const home = Deno.env.get("XDG_CACHE_HOME") || join(Deno.env.get("HOME") ?? "/root", ".cache");
  return join(home, "holdfast", "backends");
}

/** `go` in `cwd`: no C compiler, no version control, and polite to whatever else the machine does. */
function go(cwd: string, args: readonly string[], env: Record<string, string> = {}): Promise<string> {
  return runCommand("nice", ["-n", "10", "go", ...args], {
    deadlineMs: BUILD_DEADLINE_MS,
    cwd,
    env: { CGO_ENABLED: "0", GOFLAGS: "-buildvcs=false -trimpath", GOTOOLCHAIN: "auto", ...env },
  });
}

async function buildCollector(target: string, work: string): Promise<void> {
  const builder = "go.opentelemetry.io/collector/cmd/builder";
  await go("/", ["install", `${builder}@${COLLECTOR}`], { GOBIN: work });
  await Deno.copyFile(MANIFEST, join(work, "manifest.yaml"));
  await runCommand(join(work, "builder"), ["--config", "manifest.yaml", "--ldflags=-s -w"], {
    deadlineMs: BUILD_DEADLINE_MS,
    cwd: work,
    // -e lets `go mod tidy` pass over a module that only a test of one part asks for and no proxy has.
    env: { CGO_ENABLED: "0", GOFLAGS: "-e -buildvcs=false -trimpath" },
  });
  await Deno.rename(join(work, "build", "otelcol"), target);
}

function ofPrometheus(program: string) {
  return async (target: string, work: string) => {
    // Without service discovery, of which one part cannot be had and none is used.
    const module = `github.com/prometheus/prometheus/cmd/${program}@${PROMETHEUS}`;
    await go("/", ["install", "-tags", "remove_all_sd", "-ldflags=-s -w", module], { GOBIN: work });
    await Deno.rename(join(work, program), target);
  };
}

/**
 * Builds a program whose module replaces others, which `go install` refuses: in a module of our own that asks for
 * that one version, with the same replacements and checksums.
 */
function wrapped(module: string, version: string, program: string) {
  return async (target: string, work: string) => {
    const { Dir, GoMod } = JSON.parse(await go("/", ["mod", "download", "-json", `${module}@${version}`]));
    const upstream = await Deno.readTextFile(GoMod);
    const lines = upstream.split("\n");
    const goLine = lines.find((line) => line.startsWith("go ")) ?? "";
    const replaced = lines.filter((line) => line.startsWith("replace ") && !line.includes("=> ./"));
    await Deno.writeTextFile(
      join(work, "go.mod"),
      ["module holdfast/backend", "", goLine, "", `require ${module} ${version}`, "", ...replaced, ""].join(
        "\n",
      ),
    );
    await Deno.writeFile(join(work, "go.sum"), await Deno.readFile(join(Dir, "go.sum")));
    await go(work, ["build", "-mod=mod", "-ldflags=-s -w", "-o", target, `${module}/${program}`]);
  };
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
