/**
 * A TCP proxy in front of PostgreSQL that reads what clients send, message by message, and so can strike
 * between any two steps of a transaction.
 *
 * @module
 */
import { type Carrier, type Link, TcpProxy } from "../../tools/tcp_proxy.ts";

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
export class PostgresProxy extends TcpProxy {
  /** The server's URL, through the proxy. */
  readonly url: string;
  /** How many messages were struck so far. */
  strikes = 0;
  #order: Order | undefined;

  /** Listens on a port of its own for clients of the server at `databaseUrl`, which is on this machine. */
  constructor(databaseUrl: string) {
    const url = new URL(databaseUrl);
    const targetPort = Number(url.port);
    super(() => targetPort, (link) => new Striker(link, (message) => this.#judge(message)));
    url.port = String(this.port);
    this.url = url.href;
  }

  /** Strikes the next message that matches, on whatever connection. Resolves with it, once that is done. */
  strikeNext(strike: Strike, matches: (message: ClientMessage) => boolean): Promise<ClientMessage> {
    return new Promise((resolve) => this.#order = { matches, strike, struck: resolve });
  }

  #judge(message: ClientMessage): Strike | undefined {
    const order = this.#order;
    if (!order?.matches(message)) return undefined;
    this.#order = undefined;
    this.strikes++;
    // After the carrier has acted, which it does at once.
    queueMicrotask(() => order.struck(message));
    return order.strike;
  }
}

class Striker implements Carrier {
  readonly #link: Link;
  readonly #judge: (message: ClientMessage) => Strike | undefined;
  readonly #conversation = new Conversation();
  #answerIsCut = false;

  constructor(link: Link, judge: (message: ClientMessage) => Strike | undefined) {
    this.#link = link;
    this.#judge = judge;
  }

  async toServer(bytes: Uint8Array): Promise<void> {
    for (const { message, raw } of this.#conversation.read(bytes)) {
      const strike = message && this.#judge(message);
      if (strike === "cut") return this.#link.close();
      if (strike === "hold") return await this.#link.ended;
      if (strike === "cut_answer") this.#answerIsCut = true;
      await this.#link.sendToServer(raw);
    }
  }

  async toClient(bytes: Uint8Array): Promise<void> {
    if (this.#answerIsCut) this.#link.close();
    else await this.#link.sendToClient(bytes);
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
