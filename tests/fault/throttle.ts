/**
 * A TCP proxy that carries so many bytes a second to a server and no more: a server at its capacity.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";
import { TcpProxy } from "../../tools/tcp_proxy.ts";

/** Starts one in front of a port of this machine, without a limit. */
export function startThrottle(port: number): Throttle {
  return new Throttle(port, { bytesPerSecond: Infinity, bytes: 0 });
}

interface Limit {
  bytesPerSecond: number;
  bytes: number;
}

/** Forwards both ways. Disposing of it closes everything. */
export class Throttle extends TcpProxy {
  /** Where clients connect, as a Redis address. */
  readonly url: string;
  readonly #limit: Limit;

  /** Use {@link startThrottle}. */
  constructor(port: number, limit: Limit) {
    let freeAtMs = 0;
    super(() => port, (link) => ({
      async toServer(bytes) {
        const nowMs = performance.now();
        limit.bytes += bytes.length;
        freeAtMs = Math.max(freeAtMs, nowMs) + 1000 * bytes.length / limit.bytesPerSecond;
        if (freeAtMs > nowMs + 1) await Promise.race([sleep(freeAtMs - nowMs), link.ended]);
        await link.sendToServer(bytes);
      },
      toClient: (bytes) => link.sendToClient(bytes),
    }));
    this.#limit = limit;
    this.url = `redis://127.0.0.1:${this.port}`;
  }

  /** Bytes that clients have sent so far. */
  get bytes(): number {
    return this.#limit.bytes;
  }

  /** All connections together, from now on. */
  limit(bytesPerSecond: number): void {
    this.#limit.bytesPerSecond = bytesPerSecond;
  }
}
