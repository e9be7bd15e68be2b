/**
 * An engine for containers of the tests' own: Debian's dockerd with its own socket, and Compose v2.
 *
 * Its data folder lies in the user's cache, so that images and layers are made once. Nothing is pulled: no registry of
 * images is asked.
 *
 * @module
 */
import { join } from "node:path";
import { runCommand } from "../../tools/servers/command.ts";
import { installServers, programOf } from "../../tools/servers/install.ts";
import { type RunningProcess, startProcess } from "../../tools/servers/process.ts";
import { dataDir } from "../../tools/servers/run_folder.ts";

// Compose v2 as a program of its own; v2.40.3 is the last one whose module builds with `go build` as it is.
const COMPOSE = "v2.40.3";
const PROGRAMS = ["docker", "docker-cli", "iptables", "iproute2"] as const;
const COMPOSE_MODULE = "github.com/docker/compose/v2/cmd";
// 4 minutes on two quiet cores.
const BUILD_DEADLINE_MS = 60 * 60_000;
const COMMAND_DEADLINE_MS = 600_000;
const READY_DEADLINE_MS = 60_000;
const STOP_DEADLINE_MS = 60_000;

/** Where images, layers and programs are kept. */
export function containersCache(): string {
  const home = Deno.env.get("XDG_CACHE_HOME") || join(Deno.env.get("HOME") ?? "/root", ".cache");
  return join(home, "holdfast", "containers");
}

/** Why no engine can run here, as far as can be said without starting it; undefined when nothing speaks against it. */
export function engineProblem(): string | undefined {
  if (Deno.build.os !== "linux") return `containers need Linux: this is ${Deno.build.os}`;
  if (Deno.uid() !== 0) return "dockerd with its own networks needs root";
  if (Deno.build.arch !== "x86_64") return `the stand-ins are made for x86_64: this is ${Deno.build.arch}`;
  return undefined;
}

/** Why dockerd cannot be had or does not start here, in one line; undefined when it starts. */
export async function startProblem(report: (line: string) => void): Promise<string | undefined> {
  const firstLine = (error: unknown) => String(error instanceof Error ? error.message : error).split("\n")[0];
  try {
    await installServers(PROGRAMS, report);
  } catch (error) {
    return firstLine(error);
  }
  const hadBridge = await exists("/sys/class/net/docker0");
  try {
    const dockerd = await startDockerd(await dataDir("engine"));
    await stopDockerd(dockerd, hadBridge);
    return undefined;
  } catch (error) {
    const lines = String(error).split("\n").filter((line) => line.trim() !== "");
    const why = lines.find((line) => line.includes("failed to start daemon")) ?? lines.at(-1);
    return `dockerd does not start: ${why?.trim()}`;
  }
}

async function startDockerd(dir: string): Promise<RunningProcess> {
  await Deno.writeTextFile(`${dir}/daemon.json`, "{}"); // not the one of this machine
  const folders = ["--data-root", join(containersCache(), "engine"), "--exec-root", `${dir}/exec`];
  const files = ["--pidfile", `${dir}/docker.pid`, "--config-file", `${dir}/daemon.json`];
  return await startProcess({
    command: programOf("docker", "dockerd"),
    args: [...folders, ...files, "--host", `unix://${dir}/docker.sock`],
    readyLine: /API listen on/,
    readyDeadlineMs: READY_DEADLINE_MS,
  });
}

/** Stops dockerd, and with it every container that still runs. */
async function stopDockerd(process: RunningProcess, hadBridge: boolean): Promise<void> {
  await process.stop(STOP_DEADLINE_MS);
  if (hadBridge) return;
  const args = ["link", "delete", "docker0"];
  await runCommand(programOf("iproute2", "ip"), args, { deadlineMs: 10_000 }).catch(() => {});
}

/** A running engine. */
export class Engine implements AsyncDisposable {
  readonly #process: RunningProcess;
  readonly #env: Record<string, string>;
  readonly #hadBridge: boolean;

  private constructor(process: RunningProcess, env: Record<string, string>, hadBridge: boolean) {
    this.#process = process;
    this.#env = env;
    this.#hadBridge = hadBridge;
  }

  /** Starts dockerd; rejects with the end of its log when it does not come up. */
  static async start(report: (line: string) => void): Promise<Engine> {
    await installServers(PROGRAMS, report);
    const compose = await installCompose(report);
    const dir = await dataDir("engine");
    const socket = `${dir}/docker.sock`;
    const bin = `${dir}/bin`;
    await Deno.mkdir(bin);
    // What people type: `docker compose …` is a plug-in that Debian has no package of.
    const docker = programOf("docker-cli", "docker");
    await Deno.writeTextFile(
      `${bin}/docker`,
      `#!/bin/sh\nif [ "$1" = compose ]; then shift; exec "${compose}" "$@"; fi\nexec "${docker}" "$@"\n`,
      { mode: 0o755 },
    );
    const hadBridge = await exists("/sys/class/net/docker0");
    const process = await startDockerd(dir);
    const env = {
      DOCKER_HOST: `unix://${socket}`,
      DOCKER_BUILDKIT: "0", // Debian has no package of buildx
      PATH: `${bin}:${Deno.env.get("PATH") ?? ""}`,
    };
    const engine = new Engine(process, env, hadBridge);
    // Of a run that was killed.
    const left = (await engine.docker("ps", "--all", "--quiet")).split(/\s+/).filter((id) => id !== "");
    if (left.length > 0) await engine.docker("rm", "--force", ...left);
    await engine.docker("network", "prune", "--force");
    await engine.docker("volume", "prune", "--force");
    return engine;
  }

  /** `docker …`; returns what it printed. */
  docker(...args: readonly string[]): Promise<string> {
    return this.run("docker", args);
  }

  /** Any program that finds `docker` and `docker compose`. */
  async run(command: string, args: readonly string[], cwd?: string): Promise<string> {
    // Through env, as a program is looked for in this process' PATH otherwise.
    const options = { deadlineMs: COMMAND_DEADLINE_MS, env: this.#env, ...cwd === undefined ? {} : { cwd } };
    return await runCommand("env", [command, ...args], options);
  }

  /** Stops dockerd, and with it every container that still runs. */
  async [Symbol.asyncDispose](): Promise<void> {
    await stopDockerd(this.#process, this.#hadBridge);
  }
}

/** The path of Compose; builds it when it is missing. */
async function installCompose(report: (line: string) => void): Promise<string> {
  const target = join(containersCache(), `docker-compose-${COMPOSE}`);
  if (await exists(target)) return target;
  report(`Building Compose ${COMPOSE}, which takes minutes the first time`);
  await Deno.mkdir(containersCache(), { recursive: true });
  const work = await Deno.makeTempDir({ prefix: "holdfast-compose-" });
  const go = (...args: string[]) =>
    runCommand("nice", ["-n", "10", "go", ...args], {
      deadlineMs: BUILD_DEADLINE_MS,
      cwd: work,
      env: { CGO_ENABLED: "0", GOFLAGS: "-buildvcs=false -trimpath" },
    });
  try {
    // A module of its own: `go install …@version` refuses a module that excludes others.
    await go("mod", "init", "holdfast.test/compose");
    await go("get", `${COMPOSE_MODULE}@${COMPOSE}`);
    await go("build", "-ldflags=-s -w", "-o", `${work}/built`, COMPOSE_MODULE);
    await Deno.copyFile(`${work}/built`, `${target}.part`);
    await Deno.chmod(`${target}.part`, 0o755);
    await Deno.rename(`${target}.part`, target);
    return target;
  } finally {
    await Deno.remove(work, { recursive: true });
  }
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}
