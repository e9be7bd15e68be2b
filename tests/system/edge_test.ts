/**
 * The API's socket against clients that are slow, hostile or too many: it never ends, bounds what they cost, and stops
 * in time.
 */
import assert from "node:assert/strict";
import { dataDir } from "../../tools/servers/run_folder.ts";
import { startProcess } from "../../tools/servers/process.ts";
import { waitFor } from "../../tools/servers/wait.ts";
import { Service, startEmbedded } from "./stack.ts";

const DEADLINE_MS = 60_000;
const encoder = new TextEncoder();
const order = (id: string) => JSON.stringify({ sku: "SKU_123", user_id: id, order_id: id, amount: 1 });

/** One raw connection. */
class Wire implements Disposable {
  private constructor(readonly socket: Deno.TcpConn) {}

  static async open(url: string): Promise<Wire> {
    const { hostname, port } = new URL(url);
    return new Wire(await Deno.connect({ hostname, port: Number(port) }));
  }

  async send(text: string): Promise<void> {
    await this.socket.write(encoder.encode(text));
  }

  /** All that comes until the end of the connection or of `enough`. */
  async receive(enough: RegExp = /(?!)/): Promise<string> {
    let text = "";
    const chunk = new Uint8Array(65_536);
    while (!enough.test(text)) {
      const length = await this.socket.read(chunk).catch(() => null);
      if (length === null) break;
      text += new TextDecoder().decode(chunk.subarray(0, length));
    }
    return text;
  }

  [Symbol.dispose](): void {
    try {
      this.socket.close();
    } catch {
      // The other side was faster.
    }
  }
}

const post = (host: string, headers: string, body: string) =>
  `POST /api/v1/inventory/deduct HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/json\r\n${headers}\r\n${body}`;
const statusOf = (answer: string) => Number(answer.split(" ")[1] ?? 0);

async function startDemo(env: Record<string, string> = {}): Promise<Service> {
  return await startEmbedded(await dataDir("edge"), { DEMO_STOCK: "1", ...env });
}

/** An embedded API with a limit of descriptors. */
async function startLimited(descriptors: number, env: Record<string, string>) {
  const folder = await dataDir("edge");
  const main = new URL("../../main.ts", import.meta.url).pathname;
  // A shell lowers the limit for the API alone; the clients keep theirs.
  return await startProcess({
    command: "sh",
    args: ["-c", `ulimit -n ${descriptors} && exec "${Deno.execPath()}" run -P=api "${main}"`],
    env: { PORT: "0", DATA_DIR: folder, DEMO_STOCK: "1", REDIS_URL: "", DATABASE_URL: "", ...env },
    cwd: new URL("../..", import.meta.url).pathname,
    readyLine: /listens on (\S+)/,
    readyDeadlineMs: 90_000,
  });
}

/** Opens connections: nine of ten send nothing, the others ask for more than they ever read. */
async function clients(url: string, count: number): Promise<Wire[]> {
  const ask = `GET /docs HTTP/1.1\r\nHost: ${new URL(url).host}\r\n\r\n`.repeat(50);
  const wires: Wire[] = [];
  for (let i = 0; i < count; i++) {
    const wire = await Wire.open(url).catch(() => null);
    if (wire === null) continue;
    wires.push(wire);
    if (i % 10 === 0) await wire.send(ask).catch(() => {});
  }
  return wires;
}

async function sellThree(url: string): Promise<void> {
  let sold = 0;
  await waitFor(async () => {
    const init = {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: order(`o-${sold}`),
    };
    const response = await fetch(`${url}/api/v1/inventory/deduct`, init);
    await response.body?.cancel();
    if (response.status === 200) sold++;
    return sold >= 3;
  }, { deadlineMs: DEADLINE_MS, what: "three sales among many connections" });
}

Deno.test("edge: more connections than descriptors do not end the API, and buyers get in", async () => {
  await using api = await startLimited(512, {});
  const url = api.match[1] ?? "";
  using idle = new DisposableStack();
  for (const wire of await clients(url, 700)) idle.use(wire);
  await sellThree(url);
  assert.match(api.output(), /descriptors are few: raise the limit/);
  assert.match(
    api.output(),
    /file descriptors are short: all connections were closed|the server failed and was restarted/,
  );
});

Deno.test("edge: at CONNECTIONS_MAX all connections are closed, also of clients that never read, and buyers get in", async () => {
  await using api = await startLimited(4096, { CONNECTIONS_MAX: "100", QUEUE_MAX: "1000" });
  const url = api.match[1] ?? "";
  using idle = new DisposableStack();
  const wires = await clients(url, 90);
  for (const wire of wires) idle.use(wire);
  await sellThree(url);
  assert.doesNotMatch(api.output(), /connections are closed/, "below the bound nothing happens");
  for (const wire of await clients(url, 30)) idle.use(wire);
  const ends = Promise.all(wires.map((wire) => wire.receive()));
  await waitFor(() => Promise.resolve(/CONNECTIONS_MAX=100 reached/.test(api.output())), {
    deadlineMs: DEADLINE_MS,
    what: "the line of the log",
  });
  await ends;
  await sellThree(url);
});

Deno.test("edge: bodies are counted and timed, and the Host header chooses no route", async (t) => {
  await using api = await startDemo();
  await t.step(
    "a body is counted whatever its Content-Length says, and a slow one gets 408",
    () => bodies(api),
  );
  await t.step("without tokens only this machine's own pages call", () => hosts(api));
});

async function bodies(api: Service): Promise<void> {
  const host = new URL(api.url).host;
  {
    // Deno refuses or merges lengths that repeat; a body of chunks has none.
    using wire = await Wire.open(api.url);
    await wire.send(post(host, "Transfer-Encoding: chunked\r\n", ""));
    const chunk = `4000\r\n${" ".repeat(0x4000)}\r\n`;
    await wire.send(chunk + chunk).catch(() => {});
    assert.equal(statusOf(await wire.receive(/\r\n/)), 413);
  }
  {
    using wire = await Wire.open(api.url);
    await wire.send(post(host, "Content-Length: 30000, 30000\r\n", " ".repeat(30_000)));
    assert.ok([400, 413].includes(statusOf(await wire.receive(/\r\n/))));
  }
  {
    using wire = await Wire.open(api.url);
    await wire.send(post(host, "Content-Length: 100\r\n", "{"));
    const answer = await wire.receive(/body_timeout/);
    assert.equal(statusOf(answer), 408);
  }
  {
    using wire = await Wire.open(api.url);
    await wire.send(post(host, `Content-Encoding: gzip\r\nContent-Length: 2\r\n`, "{}"));
    const answer = await wire.receive(/unsupported_media_type/);
    assert.equal(statusOf(answer), 415);
    assert.match(answer, /accept-encoding: identity/i);
  }
}

async function hosts(api: Service): Promise<void> {
  const { host } = new URL(api.url);
  const answerTo = async (request: string) => {
    using wire = await Wire.open(api.url);
    await wire.send(request);
    return await wire.receive(/\r\n\r\n/);
  };
  const body = JSON.stringify({ adjustment_id: "a", delta: 5 });
  const smuggled = `POST /public HTTP/1.1\r\nHost: a/api/v1/inventory/QQ/adjustments?\r\n` +
    `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  assert.equal(statusOf(await answerTo(smuggled)), 400);
  assert.equal(statusOf(await answerTo("GET /livez HTTP/1.1\r\n\r\n")), 400);
  for (const name of ["shop.example", "127.0.0.1.evil.example", "a@127.0.0.1", "127.0.0.1:80:80"]) {
    assert.equal(statusOf(await answerTo(`GET /livez HTTP/1.1\r\nHost: ${name}\r\n\r\n`)), 400, name);
  }
  for (const name of [host, "localhost", "[::1]:80"]) {
    assert.equal(statusOf(await answerTo(`GET /livez HTTP/1.1\r\nHost: ${name}\r\n\r\n`)), 200, name);
  }
  const pause = (site: string) =>
    `POST /api/v1/inventory/SKU_123/pause HTTP/1.1\r\nHost: ${host}\r\nContent-Type: text/plain\r\n` +
    `Sec-Fetch-Site: ${site}\r\nContent-Length: 0\r\n\r\n`;
  for (const site of ["cross-site", "same-site"]) {
    assert.equal(statusOf(await answerTo(pause(site))), 403, site);
  }
  assert.equal(statusOf(await answerTo(pause("same-origin"))), 200);
}

Deno.test("edge: a stopping process serves for DRAIN_DELAY_MS, answers 503 to a body on its way, and exits with 0", async () => {
  await using api = await startDemo({ DRAIN_DELAY_MS: "3000", DRAIN_TIMEOUT_MS: "20000" });
  const { host } = new URL(api.url);
  using slow = await Wire.open(api.url);
  await slow.send(post(host, "Content-Length: 100\r\n", "{"));
  using idle = await Wire.open(api.url);
  await idle.send("GET /livez HTTP/1.1\r\nHo");
  // The server has begun to read the body once it answers a request that came after it.
  assert.equal((await api.get("/livez")).status, 200);
  const answer = slow.receive(/"code":"\w+"/);
  api.signal("SIGTERM");
  await waitFor(async () => (await api.get("/readyz")).status === 503, {
    deadlineMs: 60_000,
    what: "503 by readyz",
  });
  const late = await api.post("/api/v1/inventory/deduct", JSON.parse(order("late")));
  assert.equal(late.status, 200);
  const text = await answer;
  assert.equal(statusOf(text), 503);
  assert.match(text, /"code":"overloaded"/);
  const { code, output } = await api.ended();
  assert.equal(code, 0);
  assert.match(output, /"message":"stopped"/);
});
