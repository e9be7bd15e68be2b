/**
 * Orders from this process, closed loop: for tests, which may need no program of their own.
 *
 * @module
 */
import { skuNames } from "../systems/system.ts";

/** How orders are sent. */
export interface ClosedLoopOptions {
  /** The address of the server. */
  readonly url: string;
  readonly connections: number;
  /** Orders in all, each of its own id and user, the SKUs in turn. */
  readonly orders: number;
  readonly skus: number;
  /** HTTP status of every answer: 200 = all are sold; 409 = all are refused, and are declared first attempts. */
  readonly status: 200 | 409;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/**
 * Each connection sends an order when the one before it was answered.
 *
 * @throws {Error} on the first answer with another status
 */
export async function runClosedLoop(options: ClosedLoopOptions): Promise<void> {
  const { url, connections, orders, skus, status } = options;
  const run = crypto.randomUUID();
  const { host, port } = new URL(url);
  const names = skuNames(skus);
  const head = [
    "POST /api/v1/inventory/deduct HTTP/1.1",
    `Host: ${host}`,
    "Content-Type: application/json",
    ...status === 409 ? ["Order-Attempt: 1"] : [],
    "Content-Length: ",
  ].join("\r\n");
  let sent = 0;
  const buy = async () => {
    using connection = await Deno.connect({ hostname: "127.0.0.1", port: Number(port) });
    const chunk = new Uint8Array(4096);
    while (sent < orders) {
      const id = `${run}-${++sent}`;
      const order = { SKU: names[sent % skus], UserID: `u-${id}`, OrderID: `o-${id}`, Amount: 1 };
      const body = JSON.stringify(order);
      await writeAll(connection, encoder.encode(`${head}${body.length}\r\n\r\n${body}`));
      const answer = await readAnswer(connection, chunk);
      if (!answer.startsWith(`HTTP/1.1 ${status} `)) throw new Error(`Cannot go on after ${answer}`);
    }
  };
  await Promise.all(Array.from({ length: connections }, buy));
}

async function writeAll(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.length;) written += await connection.write(bytes.subarray(written));
}

/** An answer is one JSON object, and ends where that does. */
async function readAnswer(connection: Deno.Conn, chunk: Uint8Array): Promise<string> {
  let answer = "";
  while (!answer.endsWith("}")) {
    const length = await connection.read(chunk);
    if (length === null) throw new Error(`Cannot read an answer to its end: ${answer}`);
    answer += decoder.decode(chunk.subarray(0, length));
  }
  return answer;
}
