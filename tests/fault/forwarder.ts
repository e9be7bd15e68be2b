/**
 * A TCP forwarder on loopback whose target can change: the address that clients keep while the server
 * behind it is replaced by another, as after a failover or a wrong entry in a name server.
 *
 * @module
 */
import { TcpProxy } from "../../tools/tcp_proxy.ts";

/** Starts a forwarder to a port of this machine, or to several, a connection each in turn. */
export function startForwarder(...ports: readonly number[]): Forwarder {
  return new Forwarder({ ports, connections: 0, requestBytes: 0 });
}

interface Target {
  ports: readonly number[];
  connections: number;
  requestBytes: number;
}

/** Forwards both ways. Disposing of it closes everything. */
export class Forwarder extends TcpProxy {
  /** Where clients connect, as a Redis address. */
  readonly url: string;
  readonly #target: Target;

  /** Use {@link startForwarder}. */
  constructor(target: Target) {
    super(() => target.ports[target.connections++ % target.ports.length] ?? 0, (link) => ({
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
  redirect(...ports: readonly number[]): void {
    this.lead(...ports);
    this.cutAll();
  }

  /** Sends new clients to other servers; the connections that there are stay. */
  lead(...ports: readonly number[]): void {
    this.#target.ports = ports;
  }
}
