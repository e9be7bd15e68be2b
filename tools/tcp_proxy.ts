/**
 * What the TCP proxies of the tests share: a listener on loopback, a connection to the real server for each client, and
 * bytes carried both ways by a carrier, which may hold them back, cut them or count them.
 *
 * @module
 */

const PIECE_BYTES_MAX = 64 * 1024;

/** Carries what one client and its server send each other. Rejections other than the end of a connection are thrown. */
export interface Carrier {
  toServer(bytes: Uint8Array): Promise<void> | void;
  toClient(bytes: Uint8Array): Promise<void> | void;
}

/** Forwards both ways. Disposing of it closes everything. */
export class TcpProxy implements AsyncDisposable {
  /** Where clients connect, on 127.0.0.1. */
  readonly port: number;
  readonly #targetPort: () => number;
  readonly #carrierOf: (link: Link) => Carrier;
  readonly #listener: Deno.TcpListener;
  readonly #links = new Set<Link>();
  #cuts = 0;
  readonly #accepting: Promise<void>;

  /** @param targetPort of the server on this machine, read for each new connection */
  constructor(targetPort: () => number, carrierOf: (link: Link) => Carrier) {
    this.#targetPort = targetPort;
    this.#carrierOf = carrierOf;
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.port = this.#listener.addr.port;
    this.#accepting = this.#accept();
  }

  /** How many client connections are open now. */
  get connections(): number {
    return this.#links.size;
  }

  /** Closes every connection at once, in the middle of whatever it carries. New ones are accepted. */
  cutAll(): void {
    this.#cuts++;
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
      const carrying = this.#carry(client).finally(() => running.delete(carrying));
      running.add(carrying);
    }
    this.cutAll(); // a connection that was accepted while the port was closing
    await Promise.all(running);
  }

  async #carry(client: Deno.TcpConn): Promise<void> {
    const cuts = this.#cuts;
    const port = this.#targetPort();
    let server: Deno.TcpConn;
    try {
      server = await Deno.connect({ hostname: "127.0.0.1", port });
    } catch {
      return client.close(); // the server is down: so it looks from behind the proxy
    }
    const link = new Link(client, server);
    // The target changed while it was connecting: this client must not be the one that stays behind.
    if (cuts !== this.#cuts) return link.close();
    this.#links.add(link);
    await link.run(this.#carrierOf(link));
    this.#links.delete(link);
  }
}

/** One client's connection and its counterpart at the server. */
export class Link {
  readonly #client: Deno.TcpConn;
  readonly #server: Deno.TcpConn;
  readonly #ended = Promise.withResolvers<void>();
  #isClosed = false;

  constructor(client: Deno.TcpConn, server: Deno.TcpConn) {
    this.#client = client;
    this.#server = server;
    client.setNoDelay();
    server.setNoDelay();
  }

  /** Resolves when it is closed. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  /** Carries bytes both ways until one side ends. */
  async run(carrier: Carrier): Promise<void> {
    await Promise.all([
      this.#pump(this.#client, (bytes) => carrier.toServer(bytes)),
      this.#pump(this.#server, (bytes) => carrier.toClient(bytes)),
    ]);
  }

  /** Sends all of `bytes`. */
  sendToServer(bytes: Uint8Array): Promise<void> {
    return writeAll(this.#server, bytes);
  }

  /** Sends all of `bytes`. */
  sendToClient(bytes: Uint8Array): Promise<void> {
    return writeAll(this.#client, bytes);
  }

  /** Closes both sides. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#ended.resolve();
    this.#client.close();
    this.#server.close();
  }

  async #pump(from: Deno.TcpConn, deliver: (bytes: Uint8Array) => Promise<void> | void): Promise<void> {
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

async function writeAll(to: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let sent = 0; sent < bytes.length;) sent += await to.write(bytes.subarray(sent));
}

function isEndOfConnection(error: unknown): boolean {
  const { BadResource, BrokenPipe, ConnectionAborted, ConnectionReset, Interrupted, NotConnected } =
    Deno.errors;
  return [BadResource, BrokenPipe, ConnectionAborted, ConnectionReset, Interrupted, NotConnected]
    .some((kind) => error instanceof kind);
}
