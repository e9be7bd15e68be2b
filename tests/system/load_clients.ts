/**
 * Buyers that record what each of them heard, and afterwards finds out what became of every
 * order whose answer was lost, as the contract says: by sending the same order again.
 *
 * @module
 */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { waitFor } from "../../tools/servers/wait.ts";
import { ConnectionLost, type HttpAnswer, HttpConnection } from "./http_connection.ts";
import type { Order } from "./plan.ts";
import { RecordedDeployment } from "./recorded.ts";
import type { HistoryRecorder } from "./recorder.ts";

/** What a buyer heard last. */
export type Heard =
  | { readonly kind: "accepted"; readonly newStock: number; readonly seq: number; readonly replayed: boolean }
  | { readonly kind: "refused"; readonly code: string; readonly available: number | undefined }
  /** A 503 of any kind, or no answer at all (`connection_lost`). */
  | { readonly kind: "unknown"; readonly code: string };

/** How the clients buys. */
export interface ClientsOptions {
  readonly orders: readonly Order[];
  /** APIs, taken in turn. */
  readonly urls: readonly string[];
  /** Buyers who wait for an answer at once. */
  readonly connections: number;
  /** REQUEST_TIMEOUT_MS of the APIs: how long an order without an answer may still take effect. */
  readonly requestTimeoutMs?: number;
  /** A pace at which faults strike within the rush on a fast machine too; no limit when left out. */
  readonly ordersPerSecondMax?: number;
  /** Whether the last fifth of the orders is sent ever more slowly, until {@link LoadClients.finish}. */
  readonly lasts?: boolean;
  /** Whether each order's first attempt is declared as one (`Order-Attempt: 1`); not when left out. */
  readonly declaresFirst?: boolean;
  /** Where every attempt is recorded; must be there if the APIs are behind a proxy. */
  readonly history?: HistoryRecorder;
}

/** What settling found out. */
export interface Settled {
  /** Orders whose first answer was none. */
  readonly unknown: number;
  /** Those of them that had been accepted nevertheless. */
  readonly hadTakenEffect: number;
  /** Accepted orders that were sent again and got their first answer again. */
  readonly replays: number;
}

type Headers = Readonly<Record<string, string>>;

const PATH = "/api/v1/inventory/deduct";
// A frozen server must not hold the test: well above REQUEST_TIMEOUT_MS (2000), when a 503 must have come.
const ANSWER_DEADLINE_MS = 8_000;
/** At most so long, a buyer who is early sleeps before the next look. */
const EARLY_STEP_MS = 50;
/** The part of a rush that lasts, at its end. */
const LASTING_SHARE = 0.2;
/** In it, each second a sixtieth of the orders that are left is sent: half of them in 42 s, and never the last one. */
const LASTING_MS = 60_000;
/** After a 503 or a refused connection: a client that does not wait would burn its whole plan on one failure. */
const BACKOFF_MS = 20;
const RUN_DEADLINE_MS = 60_000;
/** No answer for so long, though all that had come was read: none comes. */
const STALLED_MS = 100;
const REPLAYS_MAX = 500;
const REQUEST_TIMEOUT_MS = 2_000;

/** Sends every order of a plan once, then settles. Disposing of it ends the rush. */
export class LoadClients implements AsyncDisposable {
  readonly orders: readonly Order[];
  /** Every attempt and its answer. */
  readonly history: HistoryRecorder;
  /** What was heard of each order, in the order of {@link LoadClients.orders}. */
  readonly heard: Heard[] = [];
  /** From the first order to the last answer. */
  elapsedMs = 0;
  readonly #urls: readonly string[];
  readonly #connections: number;
  readonly #requestTimeoutMs: number;
  readonly #ordersPerSecondMax: number;
  readonly #firstHeaders: Headers;
  /** Of each order, where its first attempt was sent. */
  readonly #sentTo: string[] = [];
  #next = 0;
  #answered = 0;
  #stopped = false;
  #lasts: boolean;
  /** When the next order may be sent while the rush lasts. */
  #nextMs = 0;
  #rush: Promise<void> = Promise.resolve();
  /**
   * Until when an order without an answer may take effect. A refusal is final only after it: an attempt that
   * waits on a server may be decided after a later one.
   */
  #mayActUntilMs = 0;

  constructor(options: ClientsOptions) {
    const { orders, urls, connections, requestTimeoutMs = REQUEST_TIMEOUT_MS, declaresFirst = false } =
      options;
    this.orders = orders;
    this.#urls = urls;
    this.#connections = connections;
    this.#requestTimeoutMs = requestTimeoutMs;
    this.#ordersPerSecondMax = options.ordersPerSecondMax ?? Infinity;
    this.#lasts = options.lasts ?? false;
    this.#firstHeaders = declaresFirst ? { "order-attempt": "1" } : {};
    this.history = options.history ?? RecordedDeployment.historyAt(urls[0] ?? "");
    if (declaresFirst) this.history.declareFirst();
  }

  /** Orders that were sent and answered, or lost. */
  get answered(): number {
    return this.#answered;
  }

  /** Orders that are on their way now. */
  get inFlight(): number {
    return this.#next - this.#answered;
  }

  /** Ids of the orders that are on their way now; only of those sent to the API at `url`, if it is given. */
  unanswered(url?: string): string[] {
    return this.orders.slice(0, this.#next).flatMap(({ orderId }, index) => {
      const isOpen = this.heard[index] === undefined && (url === undefined || this.#sentTo[index] === url);
      return isOpen ? [orderId] : [];
    });
  }

  /** Orders a second, over the whole rush. */
  get ordersPerSecond(): number {
    return Math.round(this.#answered * 1000 / this.elapsedMs);
  }

  /** Resolves when so many orders have been answered or lost: the middle of a rush, wherever its machine is. */
  answeredAtLeast(count: number): Promise<void> {
    const what = `${count} answers`;
    const seen = () => this.#tally();
    return waitFor(() => this.#answered >= count, { deadlineMs: RUN_DEADLINE_MS, what, seen });
  }

  /** Resolves when so many more orders have been accepted. */
  sells(count: number, deadlineMs: number): Promise<void> {
    const before = this.count("accepted");
    const what = `${count} more sales`;
    const seen = () => this.#tally();
    return waitFor(() => this.count("accepted") >= before + count, { deadlineMs, what, seen });
  }

  /**
   * Whether every buyer waits for an answer and none comes: so it is soon after an API, or the store of all APIs, is
   * frozen. False when that did not happen within `deadlineMs`.
   */
  async stalled(deadlineMs: number = RUN_DEADLINE_MS): Promise<boolean> {
    const untilMs = performance.now() + deadlineMs;
    for (let [answered, sinceMs] = [this.#answered, performance.now()]; performance.now() < untilMs;) {
      await sleep(STALLED_MS / 5);
      if (this.#answered > answered || this.inFlight < this.#connections) {
        [answered, sinceMs] = [this.#answered, performance.now()];
      } else if (performance.now() - sinceMs > STALLED_MS) return true;
    }
    return false;
  }

  /** How often each kind of answer, and each code, was heard. */
  #tally(): Record<string, number> {
    const tally: Record<string, number> = {};
    for (const heard of this.heard) {
      const what = heard.kind === "accepted" ? heard.kind : heard.code;
      tally[what] = (tally[what] ?? 0) + 1;
    }
    return tally;
  }

  /** How many orders heard this: a kind, or the code of a refusal or of an unknown outcome. */
  count(what: Heard["kind"] | string): number {
    return this.heard.filter((heard) => heard.kind === what || ("code" in heard && heard.code === what))
      .length;
  }

  /** Sends every order once. Resolves when each has an answer or has lost its connection. */
  rush(): Promise<void> {
    const startedMs = performance.now();
    this.#rush = this.#together((buyer) => this.#buy(buyer))
      .finally(() => this.elapsedMs = performance.now() - startedMs);
    return this.#rush;
  }

  /** Lets a rush that lasts come to its end: what it was to outlast is over. */
  finish(): void {
    assert.ok(this.#next < this.orders.length, "the rush ended before what it was to outlast");
    this.#lasts = false;
    this.#nextMs = 0;
  }

  /** No more orders after those that are on their way. */
  stop(): void {
    this.#stopped = true;
  }

  /** Ends the rush, however it was going. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.stop();
    await this.#rush.catch(() => {}); // the caller of rush() has it
  }

  /**
   * Sends every order without a definite answer again, unchanged, until it has one; and some of those that
   * were accepted, whose first answer must come again. Orders that were never sent stay out of it.
   */
  async settle(deadlineMs: number = 60_000): Promise<Settled> {
    const untilMs = performance.now() + deadlineMs;
    const sent = this.heard.map((heard, index) => ({ heard, index }));
    const open = sent.filter(({ heard }) => heard.kind === "unknown").map(({ index }) => index);
    const accepted = sent.filter(({ heard }) => heard.kind === "accepted").map(({ index }) => index);
    const replays = everyNth(accepted, REPLAYS_MAX);

    if (open.length > 0) await sleep(Math.max(0, this.#mayActUntilMs - performance.now()));
    let hadTakenEffect = 0;
    await this.#inTurn(open, async (client, index) => {
      const heard = await this.#definite(client, this.#order(index), untilMs);
      if (heard.kind === "accepted" && heard.replayed) hadTakenEffect++;
      this.heard[index] = heard;
    });
    await this.#inTurn(replays, async (client, index) => {
      const again = await this.#definite(client, this.#order(index), untilMs);
      assert.deepEqual(
        again,
        { ...this.heard[index], replayed: true },
        `order ${this.#order(index).orderId}`,
      );
    });
    return { unknown: open.length, hadTakenEffect, replays: replays.length };
  }

  async #buy(buyer: number): Promise<void> {
    using client = new Client(this.#urls, buyer, this.history);
    const startedMs = performance.now();
    for (;;) {
      await this.#due(startedMs);
      // Connected first: an order is taken only by a buyer who can send it.
      const untilMs = performance.now() + RUN_DEADLINE_MS;
      await client.connect(untilMs, () => this.#stopped || this.#next >= this.orders.length);
      const index = this.#next;
      if (this.#stopped || index >= this.orders.length) return;
      this.#next++;
      this.#sentTo[index] = client.url;
      const heard = await client.send(this.#order(index), this.#firstHeaders);
      this.heard[index] = heard;
      this.#answered++;
      if (heard.kind === "unknown") await this.#afterLoss();
    }
  }

  /** Returns when the pace allows one more order. */
  async #due(startedMs: number): Promise<void> {
    for (let nowMs = performance.now(); !this.#stopped; nowMs = performance.now()) {
      const paceMs = startedMs + this.#next * 1000 / this.#ordersPerSecondMax;
      const earlyMs = Math.max(paceMs, this.#nextMs) - nowMs;
      if (earlyMs <= 0) break;
      await sleep(Math.min(earlyMs, EARLY_STEP_MS));
    }
    const left = this.orders.length - this.#next;
    if (this.#lasts && left < LASTING_SHARE * this.orders.length) {
      this.#nextMs = performance.now() + LASTING_MS / left;
    }
  }

  /** An order without an answer may take effect for a while yet; a buyer who lost one is not in a hurry. */
  #afterLoss(): Promise<void> {
    this.#mayActUntilMs = performance.now() + this.#requestTimeoutMs;
    return sleep(BACKOFF_MS);
  }

  async #definite(client: Client, order: Order, untilMs: number): Promise<Heard> {
    for (;;) {
      await client.connect(untilMs, () => false);
      const waitMs = this.#mayActUntilMs - performance.now();
      const heard = await client.send(order);
      if (heard.kind === "accepted" || (heard.kind === "refused" && waitMs <= 0)) return heard;
      if (performance.now() >= untilMs) {
        throw new Error(`Cannot settle ${order.orderId} in time: heard ${JSON.stringify(heard)} last`);
      }
      if (heard.kind === "unknown") await this.#afterLoss();
      else await sleep(waitMs);
    }
  }

  /** Does `work` for every item, as many at once as there are connections. */
  async #inTurn(items: readonly number[], work: (client: Client, item: number) => Promise<void>) {
    let next = 0;
    await this.#together(async (buyer) => {
      using client = new Client(this.#urls, buyer, this.history);
      for (let item = items[next++]; item !== undefined; item = items[next++]) await work(client, item);
    });
  }

  /** All buyers; when one of them fails the others end too, so that none goes on into the next test. */
  async #together(work: (buyer: number) => Promise<void>): Promise<void> {
    const buyers = Array.from({ length: this.#connections }, async (_, buyer) => {
      try {
        await work(buyer);
      } catch (error) {
        this.stop();
        throw error;
      }
    });
    await Promise.allSettled(buyers);
    await Promise.all(buyers);
  }

  #order(index: number): Order {
    const order = this.orders[index];
    assert.ok(order, `there is no order ${index}`);
    return order;
  }
}

/** A buyer's connection, opened again after a loss at the next API in turn. */
class Client implements Disposable {
  readonly #urls: readonly string[];
  readonly #history: HistoryRecorder;
  #turn: number;
  #connection: HttpConnection | undefined;

  constructor(urls: readonly string[], turn: number, history: HistoryRecorder) {
    this.#urls = urls;
    this.#turn = turn;
    this.#history = history;
  }

  /** The API that it is connected to, or tries next. */
  get url(): string {
    return this.#urls[this.#turn % this.#urls.length] ?? "";
  }

  /** Connects unless it is connected, and tries again until it can, or `enough` says that it need not. */
  async connect(untilMs: number, enough: () => boolean): Promise<void> {
    while (!this.#connection && !enough()) {
      try {
        this.#connection = await HttpConnection.open(this.url, ANSWER_DEADLINE_MS, this.#history);
      } catch (error) {
        if (performance.now() >= untilMs) throw error;
        this.#turn++;
        await sleep(BACKOFF_MS);
      }
    }
  }

  async send(order: Order, headers: Headers = {}): Promise<Heard> {
    const connection = this.#connection;
    assert.ok(connection, "not connected");
    try {
      const { orderId, userId, sku, amount } = order;
      const body = { order_id: orderId, user_id: userId, sku, amount };
      return toHeard(await connection.post(PATH, body, headers));
    } catch (error) {
      if (!(error instanceof ConnectionLost)) throw error;
      return { kind: "unknown", code: "connection_lost" };
    } finally {
      if (!connection.open) this.#connection = undefined;
    }
  }

  [Symbol.dispose](): void {
    this.#connection?.close();
  }
}

function toHeard({ status, replayed, body }: HttpAnswer): Heard {
  const { code, available, new_stock: newStock, seq } = body;
  if (status === 503) return { kind: "unknown", code: String(code) };
  if (status !== 200) {
    assert.ok(status < 500 && typeof code === "string", `an answer ${status}: ${JSON.stringify(body)}`);
    return { kind: "refused", code, available: typeof available === "number" ? available : undefined };
  }
  assert.ok(typeof newStock === "number" && typeof seq === "number", `an answer: ${JSON.stringify(body)}`);
  return { kind: "accepted", newStock, seq, replayed };
}

/** At most `max` items, spread over all of them. */
function everyNth<T>(items: readonly T[], max: number): T[] {
  const step = Math.ceil(items.length / max);
  return items.filter((_, index) => index % step === 0);
}
