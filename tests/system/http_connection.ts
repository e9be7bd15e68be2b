/**
 * One HTTP/1.1 connection of a buyer. Deno's fetch takes 60 µs of this process for an order, this 15 µs:
 * on two cores the clients must not take what the system under test needs.
 *
 * @module
 */
import { RecordedDeployment } from "./recorded.ts";
import type { HistoryRecorder } from "./recorder.ts";

/** An answer, as far as a buyer looks at it. */
export interface HttpAnswer {
  readonly status: number;
  /** It carried `Idempotency-Replayed: true`. */
  readonly replayed: boolean;
  readonly body: Readonly<Record<string, unknown>>;
  /** Seconds to wait, as the server asks; empty without the header. */
  readonly retryAfter: string;
}

/** The connection ended, or its answer did not come in time: what became of the request is not known. */
export class ConnectionLost extends Error {
  /** The class, for logs. */
  override name = "ConnectionLost";
}

/** An answer of this API has some 200 bytes; a problem lists a few hundred more. */
const BUFFER_BYTES = 64 * 1024;
type Headers = Readonly<Record<string, string>>;

const HEAD_END = "\r\n\r\n";

const encoder = new TextEncoder();
const utf8 = new TextDecoder();
/** One character a byte, so that positions in the text are positions in the buffer. */
const latin1 = new TextDecoder("latin1");

/** Sends one request after the other. Nothing is ever sent twice. */
export class HttpConnection {
  readonly #conn: Deno.TcpConn;
  readonly #host: string;
  readonly #answerDeadlineMs: number;
  readonly #buffer = new Uint8Array(BUFFER_BYTES);
  readonly #history: HistoryRecorder;
  #closed = false;

  private constructor(
    conn: Deno.TcpConn,
    host: string,
    answerDeadlineMs: number,
    history: HistoryRecorder,
  ) {
    this.#conn = conn;
    this.#host = host;
    this.#history = history;
    this.#answerDeadlineMs = answerDeadlineMs;
  }

  /**
   * Connects to the API at `url`.
   *
   * @param history records the requests; that of the process at `url` when left out, and must be there for a proxy
   * @throws {ConnectionLost} when nothing listens there
   */
  static async open(
    url: string,
    answerDeadlineMs: number,
    history: HistoryRecorder = RecordedDeployment.historyAt(url),
  ): Promise<HttpConnection> {
    const { hostname, port, host } = new URL(url);
    try {
      const conn = await Deno.connect({ hostname, port: Number(port) });
      conn.setNoDelay();
      return new HttpConnection(conn, host, answerDeadlineMs, history);
    } catch (cause) {
      throw new ConnectionLost(`Cannot connect to ${host}`, { cause });
    }
  }

  /** Whether it can carry another request: the server may end it with any answer. */
  get open(): boolean {
    return !this.#closed;
  }

  /** @throws {ConnectionLost} and the connection is closed */
  post(path: string, body: unknown, headers: Headers = {}): Promise<HttpAnswer> {
    return this.#history.send(
      { method: "POST", path, body, headers },
      () => this.#post(path, body, headers),
    );
  }

  async #post(path: string, body: unknown, headers: Headers): Promise<HttpAnswer> {
    const text = JSON.stringify(body);
    const length = encoder.encode(text).length;
    const more = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join("");
    const request =
      `POST ${path} HTTP/1.1\r\nhost: ${this.#host}\r\ncontent-type: application/json\r\n${more}` +
      `content-length: ${length}${HEAD_END}${text}`;
    const timer = setTimeout(() => this.close(), this.#answerDeadlineMs);
    try {
      await this.#write(encoder.encode(request));
      return await this.#read();
    } catch (cause) {
      this.close();
      throw new ConnectionLost("Lost the connection before an answer", { cause });
    } finally {
      clearTimeout(timer);
    }
  }

  /** Closes it; a request under way is lost. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#conn.close();
  }

  async #write(bytes: Uint8Array): Promise<void> {
    for (let sent = 0; sent < bytes.length;) sent += await this.#conn.write(bytes.subarray(sent));
  }

  async #read(): Promise<HttpAnswer> {
    let size = 0;
    for (;;) {
      const count = await this.#conn.read(this.#buffer.subarray(size));
      if (count === null) throw new Error("the server closed it");
      size += count;
      const head = latin1.decode(this.#buffer.subarray(0, size));
      const headEnd = head.indexOf(HEAD_END);
      if (headEnd < 0) continue;
      const length = Number(/\r\ncontent-length: (\d+)\r\n/i.exec(head)?.[1]);
      if (Number.isNaN(length)) throw new Error(`an answer has no length: ${head.slice(0, headEnd)}`);
      const bodyStart = headEnd + HEAD_END.length;
      if (size < bodyStart + length) continue;
      if (/\r\nconnection: close\r\n/i.test(head.slice(0, headEnd + 2))) this.close();
      return {
        status: Number(head.slice("HTTP/1.1 ".length, "HTTP/1.1 200".length)),
        replayed: /\r\nidempotency-replayed: true\r\n/i.test(head.slice(0, headEnd + 2)),
        retryAfter: /\r\nretry-after: (\d+)\r\n/i.exec(head.slice(0, headEnd + 2))?.[1] ?? "",
        body: JSON.parse(utf8.decode(this.#buffer.subarray(bodyStart, bodyStart + length))),
      };
    }
  }
}
