/**
 * Which server has which shard: one server has them all; in a Redis Cluster it is the master that owns the
 * shard's slot.
 *
 * A cluster is asked once a second, each time another of its nodes, and at once when something points to a
 * change. So a frozen master is left without any answer from it, and a master that was cut off from its peers,
 * and goes on saying that the slots are its own, is asked in turn with all others: the higher epoch holds.
 *
 * @module
 */
import { StoreError } from "../domain/errors.ts";
import { sleep, type World } from "../runtime/world.ts";
import { Connection, type ConnectionOptions } from "./connection.ts";
import { allShardSlots, type KeySpace } from "./keys.ts";
import { type Claim, parseMoved, parseTopology, type Topology } from "./topology.ts";

const askEveryMs = 1000;
/** While nobody has answered, and between two questions that were asked for. */
const askAgainMs = 100;
/** A node that is alive answers in a few ms; a frozen one must not keep the others from being asked. */
const answerWithinMs = 500;
const awayCodes: ReadonlySet<string> = new Set(["not_connected", "connection_lost"]);
/** A Redis Cluster has at most 1000 nodes; what has left it must not stay in the list for ever. */
const urlsMax = 1000;

/** The servers of a deployment, as this process knows them now. */
export class ClusterMap {
  /** How to connect to any of them. */
  readonly options: ConnectionOptions;
  readonly #world: World;
  readonly #slots: readonly number[];
  readonly #claims: (Claim | undefined)[];
  readonly #listeners = new Set<() => void>();
  readonly #closing = new AbortController();
  readonly #known = Promise.withResolvers<void>();
  #urls: readonly string[];
  #isCluster = false;
  #generation = 0;
  /** Whose turn it is to be asked. */
  #turn = 0;
  /** Why the last connection for a question failed. */
  #lastError = "";
  #wake = new AbortController();
  readonly #watching: Promise<void>;
  /** Settles when the connections of all questions are gone. */
  #asked: Promise<unknown> = Promise.resolve();

  /**
   * Begins to ask, until {@link close}.
   *
   * @param urls one server, or nodes of a Redis Cluster: enough of them that one is always there
   */
  constructor(urls: readonly string[], keySpace: KeySpace, options: ConnectionOptions) {
    this.#urls = urls.map((url) => new URL(url).href);
    this.#world = options.world;
    this.#slots = allShardSlots(keySpace);
    const [only, ...others] = this.#urls;
    // One address is taken at its word until it redirects; which of several has a shard must be asked.
    const first = only !== undefined && others.length === 0 ? { url: only, configEpoch: 0 } : undefined;
    this.#claims = this.#slots.map(() => first);
    this.options = options;
    this.#known.promise.catch(() => {}); // callers get the error
    this.#watching = this.#watch();
  }

  /** How many shards there are. */
  get shards(): number {
    return this.#slots.length;
  }

  /** Where a shard is; undefined while nobody has said so. */
  urlOf(shard: number): string | undefined {
    if (!(shard in this.#claims)) {
      throw new RangeError(`Cannot use shard ${shard} as there are ${this.#claims.length}`);
    }
    return this.#claims[shard]?.url;
  }

  /**
   * Resolves when a server has said what it is, and what its cluster looks like.
   *
   * @throws {RangeError} several addresses are set, and they are not of a Redis Cluster
   * @throws {StoreError} `not_connected`, when none answered in `timeoutMs`
   */
  async whenKnown(timeoutMs: number): Promise<void> {
    const { promise, reject } = Promise.withResolvers<never>();
    const cancel = this.#world.after(timeoutMs, () => {
      const why = this.#lastError === "" ? "" : `: ${this.#lastError}`;
      reject(new StoreError("not_connected", "none", `Cannot reach Redis within ${timeoutMs} ms${why}`));
    });
    await Promise.race([this.#known.promise, promise]).finally(cancel);
  }

  /** A server said that a shard is elsewhere: that is where it is from now on. */
  moved(shard: number, message: string, asked: string): void {
    const url = parseMoved(message, asked);
    if (url === undefined) return;
    this.#isCluster = true;
    const claim = this.#claims[shard];
    if (claim?.url !== url) {
      this.#claims[shard] = { url, configEpoch: claim?.configEpoch ?? 0 };
      this.#tell();
    }
    this.doubt();
  }

  /** Something failed that a change of masters would explain: asks now. */
  doubt(): void {
    this.#wake.abort();
  }

  /** All connections are replaced, wherever they lead: those in use may lead to a server that the address has left. */
  reconnect(): void {
    this.#generation++;
    this.#tell();
  }

  /** How often all connections were replaced. */
  get generation(): number {
    return this.#generation;
  }

  /** Calls `listener` whenever a shard is elsewhere. Returns how to end that. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Asks no more. Connections of others stay open. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.doubt();
    await this.#watching;
    await this.#asked;
  }

  async #watch(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      const answered = await this.#askInTurn();
      if (answered === "single") return;
      // Spread, so that a crowd of processes does not come back as one.
      await sleep(this.#world, askAgainMs * (1 + this.#world.random()), signal);
      if (answered) await sleep(this.#world, askEveryMs, this.#wake.signal);
      this.#wake = new AbortController();
    }
  }

  /** The next node that answers, beginning where the last question left off. */
  async #askInTurn(): Promise<"single" | boolean> {
    const { length } = this.#urls;
    for (let i = 0; i < length && !this.#closing.signal.aborted; i++) {
      const url = this.#urls[this.#turn++ % length] ?? "";
      try {
        const topology = await this.#ask(url);
        if (!topology && length > 1) {
          const { host } = new URL(url);
          throw new RangeError(`Cannot use several addresses as ${host} is no node of a Redis Cluster`);
        }
        if (topology) this.#learn(topology);
        this.#known.resolve();
        return topology ? true : "single";
      } catch (error) {
        if (error instanceof RangeError) this.#known.reject(error);
        // That a node is away is for those to say who need it.
        const isAway = error instanceof StoreError && awayCodes.has(error.code);
        if (!isAway) this.options.onError(error instanceof Error ? error : new Error(String(error)));
      }
    }
    return false;
  }

  /** Undefined: the server is not in cluster mode. The connection is for this question alone. */
  async #ask(url: string): Promise<Topology | undefined> {
    const away = Promise.withResolvers<never>();
    const onClose = () => away.reject(new StoreError("not_connected", "none", `Cannot reach ${url}`));
    const connection = new Connection(url, {
      ...this.options,
      onError: ({ message }) => this.#lastError = message,
      onClose,
    });
    const cancel = this.#world.after(answerWithinMs, onClose);
    const answer = this.#topologyOf(connection);
    try {
      return await Promise.race([answer, away.promise]);
    } finally {
      cancel();
      // Not waited for: the socket to a frozen node takes a while to close.
      this.#asked = Promise.allSettled([this.#asked, answer, connection.close()]);
    }
  }

  async #topologyOf(connection: Connection): Promise<Topology | undefined> {
    await connection.whenReady(answerWithinMs);
    if (!this.#isCluster) {
      const info = String(await connection.call("INFO", "cluster"));
      if (!info.includes("cluster_enabled:1")) return undefined;
    }
    this.#isCluster = true;
    return parseTopology(String(await connection.call("CLUSTER", "NODES")), connection.url);
  }

  #learn(topology: Topology): void {
    this.#urls = [...new Set([...topology.urls, ...this.#urls])].slice(0, urlsMax);
    let isNews = false;
    this.#slots.forEach((slot, shard) => {
      const known = this.#claims[shard];
      const claim = topology.claimTo(slot);
      if (!claim || (known && claim.configEpoch <= known.configEpoch)) return;
      this.#claims[shard] = claim;
      isNews ||= claim.url !== known?.url;
    });
    if (isNews) this.#tell();
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}
