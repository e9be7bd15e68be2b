/**
 * A TCP forwarder on loopback whose target can change: the address that clients keep while the server
 * behind it is replaced by another, as after a failover or a wrong entry in a name server.
 *
 * @module
 */

const PIECE_BYTES_MAX = 64 * 1024;

/** Starts a forwarder to a port of this machine. */
export function startForwarder(targetPort: number): Forwarder {
  return new Forwarder(targetPort);
}

/** Forwards both ways. Disposing of it closes everything. */
export class Forwarder implements AsyncDisposable {
  /** Where clients connect, as a Redis address. */
  readonly url: string;
  readonly #listener: Deno.TcpListener;
  readonly #accepting: Promise<void>;
  readonly #open = new Set<Deno.TcpConn>();
  #targetPort: number;
  #requestBytes = 0;

  /** Use {@link startForwarder}. */
  constructor(targetPort: number) {
    this.#targetPort = targetPort;
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.url = `redis://127.0.0.1:${this.#listener.addr.port}`;
    this.#accepting = this.#accept();
  }

  /** Bytes that clients have sent so far. */
  get requestBytes(): number {
    return this.#requestBytes;
  }

  /** Sends clients to another server from now on; the connections they have are closed. */
  redirect(targetPort: number): void {
    this.#targetPort = targetPort;
    this.#closeAll();
  }

  /** Closes all connections and the port. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    this.#closeAll();
    await this.#accepting;
  }

  async #accept(): Promise<void> {
    const running = new Set<Promise<void>>();
    for await (const client of this.#listener) {
      const link = this.#carry(client).finally(() => running.delete(link));
      running.add(link);
    }
    this.#closeAll(); // a connection that was accepted while the port was closing
    await Promise.all(running);
  }

  async #carry(client: Deno.TcpConn): Promise<void> {
    const targetPort = this.#targetPort;
    let server: Deno.TcpConn;
    try {
      server = await Deno.connect({ hostname: "127.0.0.1", port: targetPort });
    } catch {
      return client.close(); // the server is down: so it looks from here
    }
    client.setNoDelay();
    server.setNoDelay();
    this.#open.add(client).add(server);
    // Redirected while it was connecting: this client must not be the one that stays behind.
    if (targetPort !== this.#targetPort) this.#close(client, server);
    await Promise.all([
      this.#pump(client, server, (bytes) => this.#requestBytes += bytes),
      this.#pump(server, client, () => {}),
    ]);
  }

  /** Copies until one side ends, then closes both. */
  async #pump(from: Deno.TcpConn, to: Deno.TcpConn, count: (bytes: number) => void): Promise<void> {
    const buffer = new Uint8Array(PIECE_BYTES_MAX);
    try {
      for (let size = await from.read(buffer); size !== null; size = await from.read(buffer)) {
        count(size);
        for (let sent = 0; sent < size;) sent += await to.write(buffer.subarray(sent, size));
      }
    } catch {
      // Closed here, or reset by a side that died: the other side learns it from the close below.
    } finally {
      this.#close(from, to);
    }
  }

  #closeAll(): void {
    this.#close(...this.#open);
  }

  #close(...connections: Deno.TcpConn[]): void {
    for (const connection of connections) {
      if (this.#open.delete(connection)) connection.close();
    }
  }
}
