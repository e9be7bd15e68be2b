/**
 * A TCP forwarder on loopback whose target can change: the address that clients keep while the server
 * behind it is replaced by another, as after a failover or a wrong entry in a name server.
 *
 * @module
 */
import { TcpProxy } from "../../tools/tcp_proxy.ts";

/** Starts a forwarder to a port of this machine. */
export function startForwarder(targetPort: number): Forwarder {
  return new Forwarder({ port: targetPort, requestBytes: 0 });
}

/** Forwards both ways. Disposing of it closes everything. */
export class Forwarder extends TcpProxy {
  /** Where clients connect, as a Redis address. */
  readonly url: string;
  readonly #target: { port: number; requestBytes: number };

  /** Use {@link startForwarder}. */
  constructor(target: { port: number; requestBytes: number }) {
    super(() => target.port, (link) => ({
      toServer: (bytes) => {
        target.requestBytes += bytes.length;
        return link.sendToServer(bytes);
      },
      toClient: (bytes) => link.sendToClient(bytes),
    }));
    this.#target = target;
    this.url = `redis://127.0.0.1:${this.port}`;
  }

  /** Bytes that clients have sent so far. */
  get requestBytes(): number {
    return this.#target.requestBytes;
  }

  /** Sends clients to another server from now on; the connections they have are closed. */
  redirect(targetPort: number): void {
    this.#target.port = targetPort;
    this.cutAll();
  }
}
