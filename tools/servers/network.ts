/**
 * Hosts on this machine between which packets can be dropped: network namespaces, all linked to one that
 * forwards. A link is cut by a rule of the forwarding host (`blackhole`), so no connection is refused and no
 * connection is closed: packets are gone, as when a cable is pulled.
 *
 *     host ──veth──┐
 *     host ──veth──┤ hub (forwards) ──veth── this machine, where the test runs
 *     host ──veth──┘
 *
 * Needs Linux, root and iproute2; addresses are of 198.18.0.0/15, which is set aside for such tests (RFC 2544).
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { runCommand } from "./command.ts";
import { installServers, programOf } from "./install.ts";
import { isGone, signalPid } from "./pid.ts";
import { type RunningProcess, startProcess } from "./process.ts";

const IP_DEADLINE_MS = 10_000;
/** Names of our namespaces and interfaces: the process that made them, then a count. An interface has 15 characters. */
const NAME = /^hf(\d+)n\d+/;
const NETWORKS = 512;
/** The device of the hub whose packets are delayed and lost, and the table of routes that leads to it. */
const SLOW = "slow";
const SLOW_TABLE = "100";
/** Another run may take the same addresses in the same moment. */
const ATTEMPTS_MAX = 20;

let count = 0;

/** A host: programs that are started on it reach, and are reached by, its own address alone. */
export interface Host {
  /** Its address, IPv4. */
  readonly address: string;
  /** What to start in place of a program, so that it runs on this host. The process id is the program's own. */
  readonly command: (program: string, args: readonly string[], account?: Account) => HostCommand;
}

/** A user to run as; root when left out. */
export interface Account {
  readonly uid?: number;
  readonly gid?: number;
}

/** A program and its arguments. */
export interface HostCommand {
  readonly command: string;
  readonly args: readonly string[];
}

/** Makes a network without hosts. Removes what runs that were killed have left behind. */
export async function openNetwork(): Promise<Network> {
  if (!isPossible()) {
    throw new Error(
      "Cannot make network namespaces here: tests that drop packets need Linux and root (sudo deno task test …)",
    );
  }
  // deno-lint-ignore no-console -- it can take half a minute
  await installServers(["iproute2"], console.log);
  await removeStaleNetworks();
  const name = `hf${Deno.pid}n${count++}`;
  await addNamespace(`${name}-hub`).catch((cause) => {
    throw new Error(
      `Cannot make network namespaces here: tests that drop packets need the right to "ip netns add" ` +
        `(in a container: --privileged)`,
      { cause },
    );
  });
  try {
    return await connectHub(name);
  } catch (error) {
    await removeNamespaces((namespace) => namespace.startsWith(`${name}-`));
    throw error;
  }
}

/** Hosts, and the links between them. Disposing of it removes them; end what runs on them first. */
export class Network implements AsyncDisposable {
  readonly #name: string;
  readonly #subnet: string;
  /** Rules of the hub that are in force. */
  readonly #rules = new Set<string>();
  #slowLink: RunningProcess | undefined;
  #hosts = 0;

  /** Use {@link openNetwork}. */
  constructor(name: string, subnet: string) {
    this.#name = name;
    this.#subnet = subnet;
  }

  /** This machine, where the test runs. */
  get here(): Pick<Host, "address"> {
    return { address: `${this.#subnet}.2` };
  }

  /** Adds a host that reaches all others. */
  async host(): Promise<Host> {
    const index = 10 + this.#hosts++;
    const [hub, namespace] = [`${this.#name}-hub`, `${this.#name}-${index}`];
    const [address, link] = [`${this.#subnet}.${index}`, `host${index}`];
    await addNamespace(namespace);
    await ip("-n", hub, "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", namespace);
    await inside(namespace, [
      `addr add ${address}/32 dev eth0`,
      "link set eth0 up",
      `route add ${this.#subnet}.1 dev eth0`,
      `route add default via ${this.#subnet}.1`,
    ]);
    await inside(hub, [
      `addr add ${this.#subnet}.1/32 dev ${link}`,
      `link set ${link} up`,
      `route add ${address}/32 dev ${link}`,
    ]);
    return {
      address,
      command: (program, args, { uid, gid } = {}) => ({
        command: "nsenter",
        args: [
          `--net=/run/netns/${namespace}`,
          ...(uid === undefined ? [] : [`--setuid=${uid}`]),
          ...(gid === undefined ? [] : [`--setgid=${gid}`]),
          "--",
          program,
          ...args,
        ],
      }),
    };
  }

  /** Drops every packet between two hosts, both ways, until {@link heal}. */
  async cut(a: Pick<Host, "address">, b: Pick<Host, "address">): Promise<void> {
    await this.cutOneWay(a, b);
    await this.cutOneWay(b, a);
  }

  /** Drops every packet from one host to another; those of the other way arrive. */
  async cutOneWay(from: Pick<Host, "address">, to: Pick<Host, "address">): Promise<void> {
    await this.#add(`from ${from.address} to ${to.address} type blackhole`);
  }

  /** Delays packets between two hosts, both ways, and loses some of them, until {@link heal}. One degree at a time. */
  async degrade(
    a: Pick<Host, "address">,
    b: Pick<Host, "address">,
    { delayMs, lossPercent }: { readonly delayMs: number; readonly lossPercent: number },
  ): Promise<void> {
    const hub = `${this.#name}-hub`;
    if (!this.#slowLink) {
      await inside(hub, [`tuntap add dev ${SLOW} mode tun`, `link set ${SLOW} up`]);
      await ip("-n", hub, "route", "add", "default", "dev", SLOW, "table", SLOW_TABLE);
      await this.#run("echo 0 > /proc/sys/net/ipv4/conf/all/rp_filter");
      const script = fileURLToPath(new URL("slow_link.ts", import.meta.url));
      const args = ["run", "--allow-ffi", script, SLOW, String(delayMs), String(lossPercent)];
      this.#slowLink = await startProcess({
        command: "nsenter",
        args: [`--net=/run/netns/${hub}`, "--", Deno.execPath(), ...args],
        readyLine: /forwards/,
      });
    }
    // What the slow link writes back comes in by its own device, and takes the usual way.
    for (const [from, to] of [[a, b], [b, a]] as const) {
      const link = from.address === this.here.address ? "here" : `host${from.address.split(".").at(-1)}`;
      await this.#add(`from ${from.address} to ${to.address} iif ${link} lookup ${SLOW_TABLE}`);
    }
  }

  /** Mends every link. */
  async heal(): Promise<void> {
    for (const rule of this.#rules) {
      await ip("-n", `${this.#name}-hub`, "rule", "del", ...rule.split(" "));
      this.#rules.delete(rule);
    }
    await this.#slowLink?.kill();
    if (this.#slowLink) await ip("-n", `${this.#name}-hub`, "link", "del", SLOW);
    this.#slowLink = undefined;
  }

  async #add(rule: string): Promise<void> {
    if (this.#rules.has(rule)) return;
    await ip("-n", `${this.#name}-hub`, "rule", "add", ...rule.split(" "));
    this.#rules.add(rule);
  }

  /** Runs a shell command on the forwarding host. */
  async #run(script: string): Promise<void> {
    await runCommand("nsenter", [`--net=/run/netns/${this.#name}-hub`, "--", "sh", "-c", script], {
      deadlineMs: IP_DEADLINE_MS,
    });
  }

  /** Removes hosts and links. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#slowLink?.kill();
    await removeNamespaces((namespace) => namespace.startsWith(`${this.#name}-`));
  }
}

/** Forwards between hosts, and from this machine to them. */
async function connectHub(name: string): Promise<Network> {
  const hub = `${name}-hub`;
  await runCommand("nsenter", [
    `--net=/run/netns/${hub}`,
    "--",
    "sh",
    "-c",
    "echo 1 > /proc/sys/net/ipv4/ip_forward",
  ], {
    deadlineMs: IP_DEADLINE_MS,
  });
  await ip("link", "add", name, "type", "veth", "peer", "name", "here", "netns", hub);
  await ip("link", "set", name, "up");
  for (let attempt = 1;; attempt++) {
    const index = Math.floor(Math.random() * NETWORKS);
    const subnet = `198.${18 + Math.floor(index / 256)}.${index % 256}`;
    try {
      if (await ip("route", "show", `${subnet}.0/24`) !== "") throw new Error(`${subnet}.0/24 is in use`);
      await ip("addr", "add", `${subnet}.2/32`, "dev", name);
      await ip("route", "add", `${subnet}.1`, "dev", name);
      await ip("route", "add", `${subnet}.0/24`, "via", `${subnet}.1`, "dev", name, "src", `${subnet}.2`);
      await inside(hub, [
        `addr add ${subnet}.1/32 dev here`,
        "link set here up",
        `route add ${subnet}.2/32 dev here`,
      ]);
      return new Network(name, subnet);
    } catch (error) {
      if (attempt === ATTEMPTS_MAX) throw error;
      await ip("addr", "flush", "dev", name);
    }
  }
}

async function addNamespace(namespace: string): Promise<void> {
  await ip("netns", "add", namespace);
  await ip("-n", namespace, "link", "set", "lo", "up");
}

/** Removes what processes that died have left: their namespaces, and programs that still run in them. */
export async function removeStaleNetworks(): Promise<void> {
  if (!isPossible() || !await isInstalled()) return;
  await removeNamespaces((namespace) => {
    const pid = Number(NAME.exec(namespace)?.[1] ?? NaN);
    return !Number.isNaN(pid) && isGone(pid);
  });
}

function isPossible(): boolean {
  return Deno.build.os === "linux" && Deno.uid() === 0;
}

/** Without the program no namespace can exist here. */
function isInstalled(): Promise<boolean> {
  return ip("netns", "list").then(() => true, () => false);
}

/** Ends what still runs in them: their names alone would go, and their interfaces stay as long as it runs. */
async function removeNamespaces(isOurs: (namespace: string) => boolean): Promise<void> {
  const names = (await ip("netns", "list")).split("\n").map((line) => line.split(" ")[0] ?? "");
  for (const namespace of names.filter((name) => name !== "" && isOurs(name))) {
    const pids = await ip("netns", "pids", namespace).catch(() => "");
    for (const pid of pids.split("\n").filter((line) => line !== "")) signalPid(Number(pid), "SIGKILL");
    await ip("netns", "del", namespace).catch(() => {}); // another run was faster
  }
}

/** Commands of `ip` in a namespace, one after the other. */
async function inside(namespace: string, commands: readonly string[]): Promise<void> {
  for (const command of commands) await ip("-n", namespace, ...command.split(" "));
}

async function ip(...args: readonly string[]): Promise<string> {
  return (await runCommand(programOf("iproute2", "ip"), args, { deadlineMs: IP_DEADLINE_MS })).trim();
}
