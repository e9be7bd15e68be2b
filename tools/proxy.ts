/**
 * A TCP proxy on loopback that loses answers, holds them back or cuts connections, in front of a real server.
 *
 * @module
 */
import { type Carrier, type Link, TcpProxy } from "./tcp_proxy.ts";

/** Which requests {@link Proxy.cutReplies} strikes. */
export interface CutOptions {
  /** Only requests that contain this text (any case), e.g. `EVALSHA`: a client's greeting is let through. */
  readonly containing?: string;
  /** Bytes of the answer that arrive before the connection is closed; 0 when left out. */
  readonly after?: number;
}

/** Starts a proxy in front of a port of this machine. */
export function startProxy(targetPort: number): Proxy {
  return new Proxy(targetPort);
}

/** Forwards both ways until it is asked to strike. Disposing of it closes everything. */
export class Proxy extends TcpProxy {
  readonly #cut: CutState;
  readonly #gate: Gate;

  /** Use {@link startProxy}. */
  constructor(targetPort: number) {
    const cut: CutState = { left: 0, containing: "", after: 0, strikes: 0 };
    const gate = new Gate();
    super(() => targetPort, (link) => new ReplyCutter(link, cut, gate));
    this.#cut = cut;
    this.#gate = gate;
  }

  /** How many answers were cut so far. */
  get strikes(): number {
    return this.#cut.strikes;
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
  cutReplies(count: number, { containing = "", after = 0 }: CutOptions = {}): void {
    this.#cut.left = count;
    this.#cut.after = after;
    this.#cut.containing = containing.toLowerCase();
  }

  /** Closes all connections and the port. */
  override async [Symbol.asyncDispose](): Promise<void> {
    this.#gate.open();
    await super[Symbol.asyncDispose]();
  }
}

/** What is still to be cut, shared by all connections. */
interface CutState {
  left: number;
  containing: string;
  after: number;
  strikes: number;
}

class ReplyCutter implements Carrier {
  readonly #link: Link;
  readonly #cut: CutState;
  readonly #gate: Gate;
  /** The next answer on this connection is to be cut. */
  #condemned = false;

  constructor(link: Link, cut: CutState, gate: Gate) {
    this.#link = link;
    this.#cut = cut;
    this.#gate = gate;
  }

  toServer(bytes: Uint8Array): Promise<void> {
    if (!this.#condemned && this.#cut.left > 0 && contains(bytes, this.#cut.containing)) {
      this.#cut.left--;
      this.#condemned = true;
    }
    return this.#link.sendToServer(bytes);
  }

  async toClient(bytes: Uint8Array): Promise<void> {
    if (this.#condemned) {
      this.#cut.strikes++;
      await this.#link.sendToClient(bytes.subarray(0, this.#cut.after));
      return this.#link.close();
    }
    await Promise.race([this.#gate.passed(), this.#link.ended]);
    await this.#link.sendToClient(bytes);
  }
}

function contains(bytes: Uint8Array, text: string): boolean {
  return text === "" || new TextDecoder("latin1").decode(bytes).toLowerCase().includes(text);
}

/** Open at first; while it is closed, passing waits. */
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
