/**
 * Orders a second and response times of the embedded default, of this checkout and of another one, in turns: A B A B.
 * Response times of `/livez`, asked all the while, show whether a commit stalls other requests.
 *
 *     deno run -P=tools bench/embedded.ts [--against=FOLDER] [--seconds=5] [--rounds=2] [--connections=8,64,256]
 */
// deno-lint-ignore-file no-console -- prints what it measured: that is its purpose
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { cpuMs } from "../tools/load/oha.ts";
import { freePort } from "../tools/servers/port.ts";

const { values } = parseArgs({
  options: {
    against: { type: "string" },
    seconds: { type: "string", default: "5" },
    rounds: { type: "string", default: "2" },
    connections: { type: "string", default: "8,64,256" },
  },
});
const here = fileURLToPath(new URL("..", import.meta.url));
const versions = [{ name: "A", folder: here }];
if (values.against !== undefined) versions.push({ name: "B", folder: values.against });
const skus = Array.from({ length: 100 }, (_, i) => `sku-${i}`);
const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** One kept connection, one request at a time: as little of this machine's processors as a client can take. */
class Client {
  readonly #connection: Deno.TcpConn;
  readonly #buffer = new Uint8Array(65_536);

  private constructor(connection: Deno.TcpConn) {
    this.#connection = connection;
  }

  static async connect(port: number): Promise<Client> {
    return new Client(await Deno.connect({ hostname: "127.0.0.1", port }));
  }

  /** Returns the status. */
  async send(method: string, path: string, body = ""): Promise<number> {
    const head = `${method} ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n`;
    const request = encoder.encode(`${head}Content-Length: ${body.length}\r\n\r\n${body}`);
    for (let sent = 0; sent < request.length;) sent += await this.#connection.write(request.subarray(sent));
    let text = "";
    for (;;) {
      const read = await this.#connection.read(this.#buffer);
      if (read === null) throw new Error("the connection closed");
      text += decoder.decode(this.#buffer.subarray(0, read));
      const end = text.indexOf("\r\n\r\n");
      const length = Number(/content-length: (\d+)/i.exec(text)?.[1] ?? 0);
      if (end >= 0 && text.length >= end + 4 + length) return Number(text.slice(9, 12));
    }
  }

  close(): void {
    this.#connection.close();
  }
}

async function startApi(folder: string, dataDir: string, port: number): Promise<Deno.ChildProcess> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-P=api", "main.ts"],
    cwd: folder,
    env: { DATA_DIR: dataDir, PORT: String(port), USER_LIMIT_MS: "0", LOG_LEVEL: "warn" },
    stdout: "null",
    stderr: "inherit",
  }).spawn();
  for (let attempt = 0;; attempt++) {
    try {
      (await Client.connect(port)).close();
      return child;
    } catch (error) {
      if (attempt === 600) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

function quantile(sorted: readonly number[], share: number): string {
  return (sorted[Math.floor(share * (sorted.length - 1))] ?? NaN).toFixed(1);
}

let orders = 0;

/** Sells for a while and returns a row of the table. */
async function sell(port: number, connections: number, pid: number): Promise<string> {
  const cpuBeforeMs = await cpuMs(pid) ?? NaN;
  const endMs = performance.now() + Number(values.seconds) * 1000;
  const times: number[] = [];
  const healthTimes: number[] = [];
  let failed = 0;
  const buyers = Array.from({ length: connections }, async () => {
    const client = await Client.connect(port);
    while (performance.now() < endMs) {
      const n = orders++;
      const body = `{"sku":"${
        skus[n % skus.length]
      }","user_id":"user-${n}","order_id":"${crypto.randomUUID()}","amount":1}`;
      const startMs = performance.now();
      if (await client.send("POST", "/api/v1/inventory/deduct", body) !== 200) failed++;
      times.push(performance.now() - startMs);
    }
    client.close();
  });
  const watcher = (async () => {
    const client = await Client.connect(port);
    while (performance.now() < endMs) {
      const startMs = performance.now();
      await client.send("GET", "/livez");
      healthTimes.push(performance.now() - startMs);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    client.close();
  })();
  await Promise.all([...buyers, watcher]);
  times.sort((a, b) => a - b);
  healthTimes.sort((a, b) => a - b);
  const rate = Math.round(times.length / Number(values.seconds));
  const answers = [0.5, 0.99].map((share) => quantile(times, share)).join(" | ");
  const health = [0.5, 0.99].map((share) => quantile(healthTimes, share)).join(" | ");
  const cpuUs = Math.round(((await cpuMs(pid) ?? NaN) - cpuBeforeMs) * 1000 / times.length);
  return `${rate} | ${answers} | ${health} | ${cpuUs} | ${failed} |`;
}

console.log(
  "| version | connections | orders/s | p50, ms | p99, ms | /livez p50 | /livez p99 | CPU, µs an order | failed |",
);
console.log("| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
for (const connections of values.connections.split(",").map(Number)) {
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const { name, folder } of versions) {
      const dataDir = await Deno.makeTempDir({ prefix: "holdfast-bench-" });
      const port = freePort();
      const api = await startApi(folder, dataDir, port);
      try {
        const client = await Client.connect(port);
        for (const sku of skus) {
          const body = `{"adjustment_id":"a-${sku}","delta":100000000}`;
          await client.send("POST", `/api/v1/inventory/${sku}/adjustments`, body);
        }
        client.close();
        console.log(`| ${name} | ${connections} | ${await sell(port, connections, api.pid)}`);
      } finally {
        api.kill("SIGTERM");
        await api.status;
        await Deno.remove(dataDir, { recursive: true });
      }
    }
  }
}
