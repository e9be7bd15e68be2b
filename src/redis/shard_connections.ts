/**
 * Connections to the servers of the shards, on which a command runs at most once.
 *
 * A server that replies `MOVED` did nothing, so the call is repeated on the new server. `ASK` and `TRYAGAIN` are not
 * followed: while a slot moves, both sides refuse a script that lacks one of its keys there, and some keys of a shard
 * never exist. So a moving shard sells nothing until its slot has arrived and the worker has verified it there.
 *
 * @module
 */
import { StoreError } from "../domain/errors.ts";
import { Connection } from "./connection.ts";
import type { ClusterMap } from "./cluster_map.ts";

/** Redirects that a call follows: one after a failover, one more when the slot moves on meanwhile. */
const redirectsMax = 2;
/** For a first connection, which takes 2 ms on loopback; a lost connection is not waited for. */
const connectWithinMs = 500;

/** Errors that a change of masters would explain. */
const doubtful = new Set([
  "CLUSTERDOWN",
  "MASTERDOWN",
  "READONLY",
  "NOREPLICAS",
  "not_replicated",
  "connection_lost",
  "not_connected",
]);

/**
 * What has its own connection: each `shard` where calls wait on the server and would delay those of other shards, else
 * each `server`.
 */
export type Each = "shard" | "server";

/** Connections for one purpose, opened on first use. */
export class ShardConnections {
  readonly #clusterMap: ClusterMap;
  readonly #each: Each;
  readonly #open = new Map<string, Connection>();
  readonly #unlisten: () => void;
  /** Settles when the connections to former servers are closed. */
  #left: Promise<unknown> = Promise.resolve();
  #closed = false;

  /** Calls use a connection of `each`, unless they name another. */
  constructor(clusterMap: ClusterMap, each: Each) {
    this.#clusterMap = clusterMap;
    this.#each = each;
    this.#unlisten = clusterMap.onChange(() => this.#leave());
  }

  get clusterMap(): ClusterMap {
    return this.#clusterMap;
  }

  /**
   * Sends one command to the server of the shard. `MOVED` means that the command did not run, so a redirect repeats
   * it.
   *
   * @throws {StoreError} `not_connected`, `connection_lost` and every error reply
   */
  call(shard: number, command: string, ...args: (string | number)[]): Promise<unknown> {
    return this.run(shard, (connection) => connection.call(command, ...args));
  }

  /**
   * Calls `use` with the connection to the server of the shard, and again after a redirect. Commands that must stay
   * together are sent in the same event-loop turn.
   *
   * @throws {StoreError} as {@link call}, and errors of `use`
   */
  async run<T>(
    shard: number,
    use: (connection: Connection) => Promise<T>,
    each: Each = this.#each,
  ): Promise<T> {
    for (let redirects = 0;; redirects++) {
      const connection = this.#connection(shard, each);
      try {
        if (connection.isNew) await connection.whenReady(connectWithinMs);
        return await use(connection);
      } catch (error) {
        if (!(error instanceof StoreError)) throw error;
        if (doubtful.has(error.code)) this.#clusterMap.doubt();
        if (error.code !== "MOVED") throw error;
        this.#clusterMap.moved(shard, error.message, connection.url);
        if (redirects === redirectsMax) throw error;
      }
    }
  }

  /** Resolves when the shard's connection can be used, or rejects after `timeoutMs`. */
  async whenReady(shard: number, timeoutMs: number): Promise<void> {
    if (this.#clusterMap.urlOf(shard) === undefined) await this.#clusterMap.whenKnown(timeoutMs);
    await this.#connection(shard).whenReady(timeoutMs);
  }

  /** Closes; running calls reject at once. Resolves when the sockets are closed. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#unlisten();
    const open = [...this.#open.values()];
    this.#open.clear();
    await Promise.all([this.#left, ...open.map((connection) => connection.close())]);
  }

  #connection(shard: number, each: Each = this.#each): Connection {
    const url = this.#clusterMap.urlOf(shard);
    if (url === undefined || this.#closed) {
      throw new StoreError("not_connected", "none", `Cannot reach shard ${shard}: its master is not known`);
    }
    const key = this.#keyOf(shard, url, each);
    let connection = this.#open.get(key);
    if (!connection) {
      connection = new Connection(url, {
        ...this.#clusterMap.options,
        onClose: () => this.#clusterMap.doubt(),
      });
      this.#open.set(key, connection);
    }
    return connection;
  }

  /**
   * Closes connections to servers that no longer have the shard: calls that wait there, on a frozen one for ever,
   * become unknown.
   */
  #leave(): void {
    const wanted = new Set<string>();
    for (let shard = 0; shard < this.#clusterMap.shards; shard++) {
      const url = this.#clusterMap.urlOf(shard);
      if (url === undefined) continue;
      wanted.add(this.#keyOf(shard, url, "shard"));
      wanted.add(this.#keyOf(shard, url, "server"));
    }
    for (const [key, connection] of this.#open) {
      if (wanted.has(key)) continue;
      this.#open.delete(key);
      this.#left = Promise.all([this.#left, connection.close()]);
    }
  }

  #keyOf(shard: number, url: string, each: Each): string {
    const { generation } = this.#clusterMap;
    return each === "shard" ? `${generation} ${shard} ${url}` : `${generation} ${url}`;
  }
}
