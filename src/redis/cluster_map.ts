/**
 * The server of each shard: a single server has all shards; in a Redis Cluster it is the master that owns the shard's
 * slot.
 *
 * A cluster is queried once a second, each time another node, and at once when an error suggests a change. So a
 * frozen master is detected without a response from it, and a master that was cut off from its peers and still claims
 * the slots is queried in turn with all others: the higher epoch counts.
 *
 * @module
 */
import { StoreError } from "../domain/errors.ts";
import { sleep, type World } from "../runtime/world.ts";
import { Connection, type ConnectionOptions } from "./connection.ts";
import { allShardSlots, type KeySpace } from "./keys.ts";
import { type Claim, parseMoved, parseTopology, type Topology } from "./topology.ts";

const askEveryMs = 1000;
/** While no node has responded, and between two requested queries. */
const askAgainMs = 100;
/** A live node responds within a few ms; a frozen one must not delay the queries to others. */
const answerWithinMs = 500;
const awayCodes: ReadonlySet<string> = new Set(["not_connected", "connection_lost"]);
/** A Redis Cluster has at most 1000 nodes; nodes that have left it are dropped from the list. */
const urlsMax = 1000;

/** The servers of a deployment, as this process knows them now. */
export class ClusterMap {
  /** Options of all connections. */
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
  /** Index of the next node to query. */
  #next = 0;
  /** Why the last connection for a query failed. */
  #lastError = "";
  #wake = new AbortController();
  readonly #isExpecting: Promise<void>;
  /** Settles when the connections of all queries are closed. */
  #asked: Promise<unknown> = Promise.resolve();

  /**
   * Queries until {@link close}.
   *
   * @param urls one server, or nodes of a Redis Cluster, enough that one is always reachable
   */
  constructor(urls: readonly string[], keySpace: KeySpace, options: ConnectionOptions) {
    this.#urls = urls.map((url) => new URL(url).href);
    this.#world = options.world;
    this.#slots = allShardSlots(keySpace);
    const [only, ...others] = this.#urls;
    // A single address is used for all shards until it redirects; several addresses must be queried first.
    const first = only !== undefined && others.length === 0 ? { url: only, configEpoch: 0 } : undefined;
    this.#claims = this.#slots.map(() => first);
    this.options = options;
    this.#known.promise.catch(() => {}); // callers get the error
    this.#isExpecting = this.#expectReply();
  }

  get shards(): number {
    return this.#slots.length;
  }

  /** URL of a shard's server; undefined until it is known. */
  urlOf(shard: number): string | undefined {
    if (!(shard in this.#claims)) {
      throw new RangeError(`Cannot use shard ${shard} as there are ${this.#claims.length}`);
    }
    return this.#claims[shard]?.url;
  }

  /**
   * Resolves when the shape of the deployment is known.
   *
   * @throws {RangeError} several addresses are set, and they are not of a Redis Cluster
   * @throws {StoreError} `not_connected`, when none responded within `timeoutMs`
   */
  async whenKnown(timeoutMs: number): Promise<void> {
    const { promise, reject } = Promise.withResolvers<never>();
    const cancel = this.#world.after(timeoutMs, () => {
      const why = this.#lastError === "" ? "" : `: ${this.#lastError}`;
      reject(new StoreError("not_connected", "none", `Cannot reach Redis within ${timeoutMs} ms${why}`));
    });
    await Promise.race([this.#known.promise, promise]).finally(cancel);
  }

  /** Moves a shard to the server that a redirect names. */
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

  /** Queries at once, after an error that a change of masters would explain. */
  doubt(): void {
    this.#wake.abort();
  }

  /** Replaces all connections, because those in use may lead to a server that the address has left. */
  reconnect(): void {
    this.#generation++;
    this.#tell();
  }

  /** How often all connections were replaced. */
  get generation(): number {
    return this.#generation;
  }

  /** Calls `listener` whenever a shard moves. Returns a function that removes it. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Stops the queries. Shard connections stay open. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.doubt();
    await this.#isExpecting;
    await this.#asked;
  }

  async #expectReply(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      const answered = await this.#askNext();
      if (answered === "single") return;
      // Random, so that many processes do not query simultaneously.
      await sleep(this.#world, askAgainMs * (1 + this.#world.random()), signal);
      if (answered) await sleep(this.#world, askEveryMs, this.#wake.signal);
      this.#wake = new AbortController();
    }
  }

  /** The next node that responds, in order from the last one queried. */
  async #askNext(): Promise<"single" | boolean> {
    const { length } = this.#urls;
    for (let i = 0; i < length && !this.#closing.signal.aborted; i++) {
      const url = this.#urls[this.#next++ % length] ?? "";
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
        // Callers that need the node report that it is unreachable.
        const isAway = error instanceof StoreError && awayCodes.has(error.code);
        if (!isAway) this.options.onError(error instanceof Error ? error : new Error(String(error)));
      }
    }
    return false;
  }

  /** Undefined: the server is not in cluster mode. The connection is used for this query only. */
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
      // Not awaited: closing the socket to a frozen node takes a while.
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
