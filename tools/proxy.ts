/**
 * A TCP proxy on loopback that loses answers, holds them back or cuts connections, in front of a real server.
 *
 * @module
 */

const PIECE_BYTES_MAX = 64 * 1024;

/** Which requests {@link Proxy.cutReplies} strikes. */
export interface CutOptions {
  /** Only requests that contain this text (any case), e.g. `EVALSHA`: a client's greeting is let through. */
  readonly containing?: string;
}

/** Starts a proxy in front of a port of this machine. */
export function startProxy(targetPort: number): Proxy {
  return new Proxy(targetPort);
}

/** Forwards both ways until told otherwise. Disposing of it closes everything. */
export class Proxy implements AsyncDisposable {
  /** Where clients connect, on 127.0.0.1. */
  readonly port: number;
  readonly #targetPort: number;
  readonly #listener: Deno.TcpListener;
  readonly #links = new Set<Link>();
  readonly #accepting: Promise<void>;
  readonly #cut: CutState = { left: 0, containing: "", strikes: 0 };
  readonly #gate = new Gate();

  /** Use {@link startProxy}. */
  constructor(targetPort: number) {
    this.#targetPort = targetPort;
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.port = this.#listener.addr.port;
    this.#accepting = this.#accept();
  }

  /** How many client connections are open now. */
  get connections(): number {
    return this.#links.size;
  }

  /** How many answers were cut so far. */
  get strikes(): number {
    return this.#cut.strikes;
  }

  /** Closes every connection at once, in the middle of whatever it carries. New ones are accepted. */
  cutAll(): void {
    for (const link of this.#links) link.close();
  }

  /** Holds back what the server sends; requests still reach it. */
  stallReplies(): void {
    this.#gate.close();
  }

  /** Delivers what was held back, in order, and all that follows. */
  resume(): void {
    this.#gate.open();
  }

  /**
   * Lets the next `count` requests reach the server, waits until it answers, and closes the client's
   * connection in place of the answer: the work is done and its client does not know. The proxy knows no
   * protocol: a request is what a client sends at once, so let no other request be on its way there.
   */
  cutReplies(count: number, { containing = "" }: CutOptions = {}): void {
    this.#cut.left = count;
    this.#cut.containing = containing.toLowerCase();
  }

  /** Closes all connections and the port. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    this.cutAll();
    this.#gate.open();
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
    const link = new Link(client, server, this.#cut, this.#gate);
    this.#links.add(link);
    await link.run();
    this.#links.delete(link);
  }
}

/** What is still to be cut, shared by all connections. */
interface CutState {
  left: number;
  containing: string;
  strikes: number;
}

/** One client's connection and its counterpart at the server. */
class Link {
  readonly #client: Deno.TcpConn;
  readonly #server: Deno.TcpConn;
  readonly #cut: CutState;
  readonly #gate: Gate;
  readonly #ended = Promise.withResolvers<void>();
  #closed = false;
  /** The next answer on this connection is to be cut. */
  #condemned = false;

  constructor(client: Deno.TcpConn, server: Deno.TcpConn, cut: CutState, gate: Gate) {
    this.#client = client;
    this.#server = server;
    this.#cut = cut;
    this.#gate = gate;
    client.setNoDelay();
    server.setNoDelay();
  }

  /** Carries bytes both ways until one side ends. */
  async run(): Promise<void> {
    await Promise.all([
      this.#pump(this.#client, this.#server, (bytes) => this.#admitRequest(bytes)),
      this.#pump(this.#server, this.#client, () => this.#admitReply()),
    ]);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#ended.resolve();
    this.#client.close();
    this.#server.close();
  }

  #admitRequest(bytes: Uint8Array): true {
    if (!this.#condemned && this.#cut.left > 0 && contains(bytes, this.#cut.containing)) {
      this.#cut.left--;
      this.#condemned = true;
    }
    return true;
  }

  async #admitReply(): Promise<boolean> {
    if (this.#condemned) {
      this.#cut.strikes++;
      return false;
    }
    await Promise.race([this.#gate.passed(), this.#ended.promise]);
    return true;
  }

  /** Copies until the end, or until `admit` refuses a piece; then both connections are closed. */
  async #pump(
    from: Deno.TcpConn,
    to: Deno.TcpConn,
    admit: (bytes: Uint8Array) => boolean | Promise<boolean>,
  ): Promise<void> {
    const buffer = new Uint8Array(PIECE_BYTES_MAX);
    try {
      for (let size = await from.read(buffer); size !== null; size = await from.read(buffer)) {
        const bytes = buffer.subarray(0, size);
        if (!await admit(bytes)) break;
        await writeAll(to, bytes);
      }
    } catch (error) {
      // Closed here or reset by a side that died: the other side learns it from the close below.
      if (!isEndOfConnection(error)) throw error;
    } finally {
      this.close();
    }
  }
}

async function writeAll(to: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let sent = 0; sent < bytes.length;) sent += await to.write(bytes.subarray(sent));
}

function contains(bytes: Uint8Array, text: string): boolean {
  return text === "" || new TextDecoder("latin1").decode(bytes).toLowerCase().includes(text);
}

function isEndOfConnection(error: unknown): boolean {
  const { BadResource, BrokenPipe, ConnectionAborted, ConnectionReset, Interrupted, NotConnected } =
    Deno.errors;
  return [BadResource, BrokenPipe, ConnectionAborted, ConnectionReset, Interrupted, NotConnected]
    .some((kind) => error instanceof kind);
}

/** Open at first; while it is closed, whoever wants to pass waits. */
class Gate {
  #opened = Promise.withResolvers<void>();

  constructor() {
    this.#opened.resolve();
  }

  passed(): Promise<void> {
    return this.#opened.promise;
  }

  close(): void {
    this.open();
    this.#opened = Promise.withResolvers<void>();
  }

  open(): void {
    this.#opened.resolve();
  }
}
