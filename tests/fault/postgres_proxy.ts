/**
 * A TCP proxy in front of PostgreSQL that reads what clients send, message by message, and so can strike
 * between any two steps of a transaction.
 *
 * @module
 */

const PIECE_BYTES_MAX = 64 * 1024;

/** What a client sent. */
export interface ClientMessage {
  /** The protocol's letter: `Q` query, `P` parse, `B` bind, `D` describe, `E` execute, `S` sync, … */
  readonly type: string;
  /** The SQL that it is about. */
  readonly statement: string;
  /** How many transactions its connection has begun. */
  readonly transaction: number;
  /** Its place in its transaction, where `begin` is 0; -1 outside of one. */
  readonly index: number;
}

/**
 * What to do with the message that is struck: close the connection in its place; keep it back, with all that
 * follows, until {@link PostgresProxy.cutAll}; deliver it and close the connection in place of the answer.
 */
export type Strike = "cut" | "hold" | "cut_answer";

interface Order {
  readonly matches: (message: ClientMessage) => boolean;
  readonly strike: Strike;
  readonly struck: (message: ClientMessage) => void;
}

/** Forwards both ways until a message is struck. Disposing of it closes everything. */
export class PostgresProxy implements AsyncDisposable {
  /** The server's URL, through the proxy. */
  readonly url: string;
  /** How many messages were struck so far. */
  strikes = 0;
  readonly #targetPort: number;
  readonly #listener: Deno.TcpListener;
  readonly #links = new Set<Link>();
  readonly #accepting: Promise<void>;
  #order: Order | undefined;

  /** Listens on a port of its own for clients of the server at `databaseUrl`, which is on this machine. */
  constructor(databaseUrl: string) {
    const url = new URL(databaseUrl);
    this.#targetPort = Number(url.port);
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    url.port = String(this.#listener.addr.port);
    this.url = url.href;
    this.#accepting = this.#accept();
  }

  /** Strikes the next message that matches, on whatever connection. Resolves with it, once that is done. */
  strikeNext(strike: Strike, matches: (message: ClientMessage) => boolean): Promise<ClientMessage> {
    return new Promise((resolve) => this.#order = { matches, strike, struck: resolve });
  }

  /** Closes every connection; what was held back never arrives. New ones are accepted. */
  cutAll(): void {
    for (const link of this.#links) link.close();
  }

  /** Closes all connections and the port. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    this.cutAll();
    await this.#accepting;
  }

  async #accept(): Promise<void> {
    const running = new Set<Promise<void>>();
    for await (const client of this.#listener) {
      const link = this.#carry(client).finally(() => running.delete(link));
      running.add(link);
    }
    this.cutAll(); // a connection that was accepted while the port was closing
    await Promise.all(running);
  }

  async #carry(client: Deno.TcpConn): Promise<void> {
    let server: Deno.TcpConn;
    try {
      server = await Deno.connect({ hostname: "127.0.0.1", port: this.#targetPort });
    } catch {
      return client.close(); // the server is down: so it looks from behind the proxy
    }
    const link = new Link(client, server, (message) => this.#judge(message));
    this.#links.add(link);
    await link.run();
    this.#links.delete(link);
  }

  #judge(message: ClientMessage): Strike | undefined {
    const order = this.#order;
    if (!order?.matches(message)) return undefined;
    this.#order = undefined;
    this.strikes++;
    // After the link has acted, which it does at once.
    queueMicrotask(() => order.struck(message));
    return order.strike;
  }
}

/** One client's connection and its counterpart at the server. */
class Link {
  readonly #client: Deno.TcpConn;
  readonly #server: Deno.TcpConn;
  readonly #judge: (message: ClientMessage) => Strike | undefined;
  readonly #conversation = new Conversation();
  readonly #ended = Promise.withResolvers<void>();
  #closed = false;
  #answerIsCut = false;

  constructor(
    client: Deno.TcpConn,
    server: Deno.TcpConn,
    judge: (message: ClientMessage) => Strike | undefined,
  ) {
    this.#client = client;
    this.#server = server;
    this.#judge = judge;
    client.setNoDelay();
    server.setNoDelay();
  }

  async run(): Promise<void> {
    await Promise.all([
      this.#pump(this.#client, (bytes) => this.#toServer(bytes)),
      this.#pump(this.#server, (bytes) => this.#toClient(bytes)),
    ]);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#ended.resolve();
    this.#client.close();
    this.#server.close();
  }

  async #toServer(bytes: Uint8Array): Promise<void> {
    for (const { message, raw } of this.#conversation.read(bytes)) {
      const strike = message && this.#judge(message);
      if (strike === "cut") return this.close();
      if (strike === "hold") return await this.#ended.promise;
      if (strike === "cut_answer") this.#answerIsCut = true;
      await writeAll(this.#server, raw);
    }
  }

  async #toClient(bytes: Uint8Array): Promise<void> {
    if (this.#answerIsCut) this.close();
    else await writeAll(this.#client, bytes);
  }

  async #pump(from: Deno.TcpConn, deliver: (bytes: Uint8Array) => Promise<void>): Promise<void> {
    const buffer = new Uint8Array(PIECE_BYTES_MAX);
    try {
      for (let size = await from.read(buffer); size !== null; size = await from.read(buffer)) {
        await deliver(buffer.subarray(0, size));
      }
    } catch (error) {
      // Closed here or reset by a side that died: the other side learns it from the close below.
      if (!isEndOfConnection(error)) throw error;
    } finally {
      this.close();
    }
  }
}

/** What one client says, cut into messages: a letter, a length that counts itself, a payload. */
class Conversation {
  readonly #statements = new Map<string, string>();
  #rest = new Uint8Array();
  /** The first message, which names user and database, has no letter. */
  #greeted = false;
  #statement = "";
  #transaction = 0;
  #index = -1;

  *read(bytes: Uint8Array): Generator<{ message: ClientMessage | undefined; raw: Uint8Array }> {
    const all = new Uint8Array(this.#rest.length + bytes.length);
    all.set(this.#rest);
    all.set(bytes, this.#rest.length);
    let at = 0;
    for (;;) {
      const head = this.#greeted ? 1 : 0;
      if (all.length - at < head + 4) break;
      const size = head + new DataView(all.buffer, at + head).getUint32(0);
      if (all.length - at < size) break;
      const raw = all.subarray(at, at + size);
      yield { message: this.#greeted ? this.#understand(raw) : undefined, raw };
      this.#greeted = true;
      at += size;
    }
    this.#rest = all.slice(at);
  }

  #understand(raw: Uint8Array): ClientMessage {
    const type = String.fromCharCode(raw[0] ?? 0);
    const texts = new TextDecoder().decode(raw.subarray(5)).split("\0", 2);
    const [first = "", second = ""] = texts;
    if (type === "P") this.#statements.set(first, second);
    if (type === "Q") this.#statement = first;
    if (type === "P") this.#statement = second;
    if (type === "B") this.#statement = this.#statements.get(second) ?? "";
    if (type === "D") this.#statement = this.#statements.get(first.slice(1)) ?? this.#statement;
    const begins = type === "Q" && first === "begin";
    const ended = this.#index >= 0 && type === "Q" && /^(commit|rollback)$/.test(first);
    if (begins) {
      this.#index = 0;
      this.#transaction++;
    } else if (this.#index >= 0) this.#index++;
    const message = { type, statement: this.#statement, transaction: this.#transaction, index: this.#index };
    if (ended) this.#index = -1;
    return message;
  }
}

async function writeAll(to: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let sent = 0; sent < bytes.length;) sent += await to.write(bytes.subarray(sent));
}

function isEndOfConnection(error: unknown): boolean {
  const { BadResource, BrokenPipe, ConnectionAborted, ConnectionReset, Interrupted, NotConnected } =
    Deno.errors;
  return [BadResource, BrokenPipe, ConnectionAborted, ConnectionReset, Interrupted, NotConnected]
    .some((kind) => error instanceof kind);
}
