/**
 * A connection to Redis on which a command runs at most once, and a call always settles.
 *
 * ioredis's defaults run a deduct twice: after a lost connection they send unanswered commands again. With that
 * switched off and no retries, 6.0.0 rejects those calls when the socket has closed. A frozen server closes nothing;
 * therefore running calls are stored here and rejected as soon as the connection is given up.
 *
 * @module
 */
import { Redis } from "ioredis";
import { sleep, type World } from "../runtime/world.ts";
import { StoreError } from "../domain/errors.ts";
import { parseRedisUrl } from "../runtime/settings/redis_url.ts";

/** Options of a connection; all others are fixed below. */
export interface ConnectionOptions {
  /** Shown by `CLIENT LIST`. */
  readonly name: string;
  /** Its random numbers spread the reconnects of many processes. */
  readonly world: World;
  /**
   * How long a server may send nothing while a call waits for it, ms. Then the connection is closed, its calls reject
   * with `connection_lost`, and a new one is opened. Without this limit a call on a link that drops packets waits
   * until TCP gives up, which takes 15 minutes. Must be longer than any call blocks on the server. Default 5000.
   */
  readonly silenceMaxMs?: number;
  /** Called for each failure to connect; possibly many in a row. */
  readonly onError: (error: Error) => void;
  /** Called each time the connection is lost, and for each failed attempt. */
  readonly onClose?: () => void;
  /** Called when a command has ended; `error` is one word, empty on success. */
  readonly onCall?: (system: "redis", command: string, ms: number, error: string) => void;
}

const reconnectMinMs = 50;
const reconnectMaxMs = 1000;
/** A frozen server never closes its side; then the socket is destroyed. */
const disconnectTimeoutMs = 200;
/** A timer that is this late was delayed in this process: the response may be in the socket, and is read first. */
const heldUpMs = 100;
const silenceMaxDefaultMs = 5000;

/** One connection to one Redis server. */
export class Connection {
  readonly #redis: Redis;
  readonly #world: World;
  readonly #onCall: ConnectionOptions["onCall"];
  readonly #inFlight = new Set<(error: StoreError) => void>();
  readonly #silenceMaxMs: number;
  #isNew = true;
  /** It was given up, but its socket is not closed yet. */
  #isLeft = false;
  /** When the server last sent something, or a call began to wait for it. */
  #heardAtMs = 0;
  #cancelSilenceTimer: (() => void) | undefined;

  /** Connects, and retries until {@link close}; {@link whenReady} waits for it. */
  constructor(readonly url: string, options: ConnectionOptions) {
    this.#world = options.world;
    this.#onCall = options.onCall;
    this.#silenceMaxMs = options.silenceMaxMs ?? silenceMaxDefaultMs;
    this.#redis = new Redis({
      ...targetOptions(url),
      protocol: 2, // one shape of replies on every server
      connectionName: options.name,
      lazyConnect: false,
      autoResendUnfulfilledCommands: false, // else a deduct runs twice
      enableOfflineQueue: false, // else a request waits for a server that is down
      maxRetriesPerRequest: 0,
      autoResubscribe: false,
      enableAutoPipelining: false, // no gain: the batcher pipelines
      enableReadyCheck: true,
      reconnectOnError: null,
      connectTimeout: 2000,
      disconnectTimeout: disconnectTimeoutMs,
      keepAlive: 5000,
      noDelay: true,
      // Exponential with full jitter, so that many processes do not reconnect simultaneously.
      retryStrategy: (times) =>
        reconnectMinMs + options.world.random() * Math.min(reconnectMaxMs, reconnectMinMs * 2 ** times),
    });
    this.#redis.on("error", options.onError);
    this.#redis.on("connect", () => this.#expectReply()); // the greeting that follows is a call too
    this.#redis.on("ready", () => {
      this.#isNew = false;
      this.#heardAtMs = this.#world.elapsedMs();
    });
    this.#redis.on("close", () => {
      this.#isNew = this.#isLeft = false;
      this.#lose();
      options.onClose?.();
    });
  }

  /** Whether the first attempt to connect has not ended yet. */
  get isNew(): boolean {
    return this.#isNew;
  }

  /** Whether commands can be sent now. */
  get ready(): boolean {
    return this.#redis.status === "ready" && !this.#isLeft;
  }

  /**
   * Sends one command, once.
   *
   * @throws {StoreError} `connection_lost` has an unknown effect; an error reply has none
   */
  call(command: string, ...args: (string | number)[]): Promise<unknown> {
    if (!this.ready) {
      return Promise.reject(new StoreError("not_connected", "none", "Cannot reach Redis: not connected"));
    }
    const answer = new Promise((resolve, reject) => {
      if (this.#inFlight.size === 0) this.#expectReply();
      this.#inFlight.add(reject);
      this.#redis.call(command, ...args).then(resolve, (error) => reject(asStoreError(error)))
        .finally(() => {
          this.#heardAtMs = this.#world.elapsedMs();
          this.#inFlight.delete(reject);
        });
    });
    if (this.#onCall) this.#time(command, answer);
    return answer;
  }

  /** Resolves when the connection can be used, or rejects after `timeoutMs`. */
  async whenReady(timeoutMs: number): Promise<void> {
    if (this.ready) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const cancel = this.#world.after(
      timeoutMs,
      () => reject(new StoreError("not_connected", "none", `Cannot reach Redis within ${timeoutMs} ms`)),
    );
    this.#redis.once("ready", resolve);
    try {
      await promise;
    } finally {
      cancel();
      this.#redis.off("ready", resolve);
    }
  }

  /** Closes; running calls reject at once. Resolves when the socket is closed. */
  async close(): Promise<void> {
    this.#lose();
    if (this.#redis.status === "end") return;
    // Between two attempts there is no socket, and ioredis does not report that it has ended; its timer continues.
    if (this.#redis.status === "reconnecting") {
      this.#redis.disconnect();
      return await sleep(this.#world, disconnectTimeoutMs);
    }
    const ended = new Promise<void>((resolve) => this.#redis.once("end", () => resolve()));
    this.#redis.disconnect();
    await ended;
  }

  #time(command: string, answer: Promise<unknown>): void {
    const sentAtMs = this.#world.elapsedMs();
    const report = (error: string) =>
      this.#onCall?.("redis", command, this.#world.elapsedMs() - sentAtMs, error);
    answer.then(() => report(""), (error) => report(error instanceof StoreError ? error.code : "broken"));
  }

  /** From now on the server is expected to send something. One timer per connection, however many calls. */
  #expectReply(): void {
    this.#heardAtMs = this.#world.elapsedMs();
    if (!this.#cancelSilenceTimer) this.#checkAgainIn(this.#silenceMaxMs);
  }

  #checkAgainIn(ms: number): void {
    const dueMs = this.#world.elapsedMs() + ms;
    this.#cancelSilenceTimer = this.#world.after(ms, () => {
      this.#cancelSilenceTimer = undefined;
      if (this.ready && this.#inFlight.size === 0) return; // the next call starts the timer again
      const nowMs = this.#world.elapsedMs();
      const leftMs = this.#heardAtMs + this.#silenceMaxMs - nowMs;
      if (leftMs > 0) return this.#checkAgainIn(leftMs);
      if (nowMs - dueMs > heldUpMs) return this.#checkAgainIn(heldUpMs);
      this.#isLeft = true;
      this.#lose();
      const reconnects = true;
      this.#redis.disconnect(reconnects);
    });
  }

  #lose(): void {
    this.#cancelSilenceTimer?.();
    this.#cancelSilenceTimer = undefined;
    const lost = new StoreError(
      "connection_lost",
      "unknown",
      "Lost the connection to Redis before an answer",
    );
    for (const reject of this.#inFlight) reject(lost);
    this.#inFlight.clear();
  }
}

interface TargetOptions {
  host: string;
  port: number;
  family: 0 | 4 | 6;
  db: number;
  username?: string;
  password?: string;
  tls?: { ca?: string };
}

/** The target of ioredis; it gets no URL, because URL parameters would override the options. */
function targetOptions(url: string): TargetOptions {
  const parsed = parseRedisUrl(url);
  if (parsed.kind === "invalid") throw new RangeError(`REDIS_URL must be ${parsed.rule}`);
  const { host, port, username, password, db, tls, family } = parsed.value;
  return {
    host,
    port,
    family,
    db,
    ...username !== "" && { username },
    ...password !== "" && { password },
    ...tls && { tls: {} },
  };
}

/**
 * The meaning of an error reply. A reply says that the command was not executed, so the effect is `none`, with two
 * exceptions. A script that failed before its first write: one command of the batch is the cause. `HALFDONE` from
 * lua/decide.lua: the log has the events, a later write was refused, so the effect is unknown.
 */
const refusedBeforeRunning = new Set([
  "ASK",
  "BUSY",
  "CLUSTERDOWN",
  "CROSSSLOT",
  "LOADING",
  "MASTERDOWN",
  "MISCONF",
  "MOVED",
  "NOAUTH",
  "NOPERM",
  "NOREPLICAS",
  "NOSCRIPT",
  "OOM",
  "READONLY",
  "TRYAGAIN",
  "WRONGPASS",
]);

function asStoreError(error: unknown): StoreError {
  if (error instanceof StoreError) return error;
  const message = error instanceof Error ? error.message : String(error);
  if (!(error instanceof Error) || error.name !== "ReplyError") {
    // Not a reply: ioredis gave up the connection, with the command written or not.
    return new StoreError("connection_lost", "unknown", message, { cause: error });
  }
  const code = message.slice(0, message.search(/[ :]|$/));
  if (code === "HALFDONE") return new StoreError("half_done", "unknown", message, { cause: error });
  return refusedBeforeRunning.has(code)
    ? new StoreError(code, "none", message, { cause: error })
    : new StoreError("script", "poison", message, { cause: error });
}
