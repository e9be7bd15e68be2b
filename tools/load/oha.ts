/**
 * Load of many buyers with oha, and its cost in the processes under load.
 *
 * @module
 */
import { runCommand } from "../servers/command.ts";
import { programOf } from "../servers/install.ts";
import { track, untrack } from "../servers/run_folder.ts";

/** Bodies a request: with 4, one in nine orders is drawn a second time. */
const bodiesPerOrder = 4;
const runDeadlineMs = 30 * 60_000;

/** Clients of one load. */
export interface LoadClients {
  /** The API's address. */
  readonly url: string;
  /** Requests in all, and on how many connections. */
  readonly orders: number;
  readonly connections: number;
  /** A file of bodies, one a line: see {@link writeBodies}. */
  readonly bodies: string;
  /** In addition to the content type. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Options of oha, in addition to those of all clients. */
  readonly args?: readonly string[];
  /** Ends it early. */
  readonly signal?: AbortSignal;
}

/** What of oha's report is used. */
export interface OhaReport {
  readonly summary: { readonly total: number; readonly requestsPerSec: number };
  readonly metrics: {
    readonly latency_ms: Readonly<Record<"p50" | "p95" | "p99" | "max", number>>;
  };
  readonly statusCodeDistribution: Readonly<Record<string, number>>;
  readonly errorDistribution: Readonly<Record<string, number>>;
}

/** Writes a file of deducts of one unit, from which oha draws at random; order ids begin with `run`. */
export async function writeBodies(
  file: string,
  { run, orders, skus }: { run: string; orders: number; skus: readonly string[] },
): Promise<void> {
  const total = orders * bodiesPerOrder;
  for (let first = 0; first < total; first += 10_000) {
    const lines = Array.from({ length: Math.min(10_000, total - first) }, (_, i) => {
      const n = first + i;
      return `{"sku":"${skus[n % skus.length]}","user_id":"user-${n}","order_id":"${run}-${n}","amount":1}\n`;
    });
    await Deno.writeTextFile(file, lines.join(""), { append: true });
  }
}

/** Sends all orders of the clients. */
export async function runOha(clients: LoadClients): Promise<OhaReport> {
  const { url, orders, connections, bodies, headers = {} } = clients;
  const args = [
    ...["--no-tui", "--output-format", "json", "-n", String(orders), "-c", String(connections)],
    ...["-m", "POST", "-T", "application/json", "-Z", bodies],
    ...Object.entries(headers).flatMap(([name, value]) => ["-H", `${name}: ${value}`]),
    ...clients.args ?? [],
    `${url}/api/v1/inventory/deduct`,
  ];
  // Tracked, so that the end of the run ends it too.
  const child = new Deno.Command(programOf("oha", "oha"), {
    args,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const end = () => child.kill("SIGKILL");
  clients.signal?.addEventListener("abort", end);
  track(child.pid, "oha");
  const deadline = setTimeout(end, runDeadlineMs);
  try {
    const { code, stdout, stderr } = await child.output();
    const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
    if (code !== 0) throw new Error(`Cannot send the orders as oha exited with code ${code}: ${err?.trim()}`);
    return JSON.parse(out ?? "");
  } finally {
    clearTimeout(deadline);
    clients.signal?.removeEventListener("abort", end);
    untrack(child.pid);
  }
}

/** User and system time of a process, ms; undefined without /proc, which Deno does not read for every user. */
export async function cpuMs(pid: number): Promise<number | undefined> {
  const stat = await runCommand("cat", [`/proc/${pid}/stat`], { deadlineMs: 5_000 }).catch(() => undefined);
  const fields = stat?.replace(/^.*\) /, "").split(" ");
  return fields && (Number(fields[11]) + Number(fields[12])) * 10; // fields 14 and 15 of proc(5), ticks of 10 ms
}
