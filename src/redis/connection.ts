/**
 * A connection to Redis on which a command runs at most once, and a call always settles.
 *
 * ioredis's defaults run a deduct twice: after a lost connection they send unanswered commands again.
 * With that switched off and no retries, 6.0.0 rejects those calls when the socket has closed. A frozen server closes
 * nothing; so calls in flight are kept here and rejected as soon as the connection is given up.
 *
 * @module
 */
import { Redis } from "ioredis";
import { sleep, type World } from "../runtime/world.ts";
import { StoreError } from "../domain/errors.ts";
import { parseRedisUrl } from "../runtime/settings/redis_url.ts";

/** How a connection behaves; the rest is fixed below. */
export interface ConnectionOptions {
  /** Shown by `CLIENT LIST`. */
  readonly name: string;
  /** Its chance spreads the reconnects of many processes. */
  readonly world: World;
  /**
   * How long a server may send nothing while a call waits for it, ms. Then the connection is closed, its calls
   * reject with `connection_lost`, and a new one is opened. Without it a call on a link that drops packets waits
   * until TCP gives up, which takes 15 minutes. Must be longer than any call blocks on the server. Default 5000.
   */
  readonly silenceMaxMs?: number;
  /** Told about each failure to connect; may be many in a row. */
  readonly onError: (error: Error) => void;
  /** Told each time the connection is lost, and of every attempt that failed. */
  readonly onClose?: () => void;
  /** Told of every command when it has ended; `error` is one word, empty when it went well. */
  readonly onCall?: (system: "redis", command: string, ms: number, error: string) => void;
}

const reconnectMinMs = 50;
const reconnectMaxMs = 1000;
/** A frozen server never closes its side; then the socket is destroyed. */
const disconnectTimeoutMs = 200;
/** A timer this late was held up in this process: the answer may be in the socket, and is read first. */
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
  /** It was given up, and its socket is not closed yet. */
  #isLeft = false;
  /** When the server last sent something, or a call began to wait for it. */
  #heardAtMs = 0;
  #cancelWatch: (() => void) | undefined;

  /** Begins to connect and goes on trying until {@link close}; {@link whenReady} waits for it. */
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
      enableOfflineQueue: false, // else a request waits for a server that is away
      maxRetriesPerRequest: 0,
      autoResubscribe: false,
      enableAutoPipelining: false, // no gain: the batcher is ours
      enableReadyCheck: true,
      reconnectOnError: null,
      connectTimeout: 2000,
      disconnectTimeout: disconnectTimeoutMs,
      keepAlive: 5000,
      noDelay: true,
      // Exponential with full jitter, so that a crowd of processes does not come back as one.
      retryStrategy: (times) =>
        reconnectMinMs + options.world.random() * Math.min(reconnectMaxMs, reconnectMinMs * 2 ** times),
    });
    this.#redis.on("error", options.onError);
    this.#redis.on("connect", () => this.#watch()); // the greeting that follows is a call too
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

  /** Whether the first attempt to connect is still on its way. */
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
      if (this.#inFlight.size === 0) this.#watch();
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

  /** Closes; calls in flight reject at once. Resolves when the socket is gone. */
  async close(): Promise<void> {
    this.#lose();
    if (this.#redis.status === "end") return;
    // Between two attempts there is no socket, and ioredis does not say that it has ended; its timer goes on.
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

  /** From now on the server is expected to send something. One timer a connection, however many calls. */
  #watch(): void {
    this.#heardAtMs = this.#world.elapsedMs();
    if (!this.#cancelWatch) this.#lookAgainIn(this.#silenceMaxMs);
  }

  #lookAgainIn(ms: number): void {
    const dueMs = this.#world.elapsedMs() + ms;
    this.#cancelWatch = this.#world.after(ms, () => {
      this.#cancelWatch = undefined;
      if (this.ready && this.#inFlight.size === 0) return; // the next call watches again
      const nowMs = this.#world.elapsedMs();
      const leftMs = this.#heardAtMs + this.#silenceMaxMs - nowMs;
      if (leftMs > 0) return this.#lookAgainIn(leftMs);
      if (nowMs - dueMs > heldUpMs) return this.#lookAgainIn(heldUpMs);
      this.#isLeft = true;
      this.#lose();
      const reconnects = true;
      this.#redis.disconnect(reconnects);
    });
  }

  #lose(): void {
    this.#cancelWatch?.();
    this.#cancelWatch = undefined;
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

/** What ioredis knows of the server; it gets no URL, whose parameters would overrule the options. */
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
 * What an error reply means. A reply says that the command was not done, so every effect here is `none`,
 * with two exceptions. A script that threw before its first write: one command of the batch is to blame.
 * `HALFDONE` from lua/decide.lua: the log has the events, a later write was refused, so the effect is unknown.
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
    // Not an answer: ioredis gave up on the connection with the command written or not.
    return new StoreError("connection_lost", "unknown", message, { cause: error });
  }
  const code = message.slice(0, message.search(/[ :]|$/));
  if (code === "HALFDONE") return new StoreError("half_done", "unknown", message, { cause: error });
  return refusedBeforeRunning.has(code)
    ? new StoreError(code, "none", message, { cause: error })
    : new StoreError("script", "poison", message, { cause: error });
}
