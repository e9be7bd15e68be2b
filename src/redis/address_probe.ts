/**
 * Whether an address leads to one server, or to several that do not know each other: a load balancer before two masters,
 * a name with two records, an address that has moved while old connections stay. Each would be armed in turn, and each
 * would sell the same units.
 *
 * @module
 */
import type { CheckResult } from "../domain/check_result.ts";
import type { World } from "../runtime/world.ts";
import type { ClusterMap } from "./cluster_map.ts";
import { Connection } from "./connection.ts";
import { text } from "./reply.ts";
import type { Script } from "./script.ts";
import type { ShardConnections } from "./shard_connections.ts";

/** A balancer that takes servers in turn shows the second one at once, one by chance 15 times of 16. */
const connectionsPerLook = 4;
/** Shards share servers: each address is looked at once in this time. */
const lookEveryMs = 1000;
const answerWithinMs = 500;

interface Look {
  readonly atMs: number;
  readonly isOne: Promise<boolean>;
}

/** The replication id of a server: the same on every connection to it. */
function instanceOf(info: string): string {
  return /^master_replid:(\w+)/m.exec(info)?.[1] ?? "";
}

/** Opens connections to addresses beside those in use, and compares where they lead. */
export class AddressProbe {
  readonly #used: ShardConnections;
  readonly #clusterMap: ClusterMap;
  readonly #world: World;
  readonly #looks = new Map<string, Look>();
  /** To servers beside those in use. Kept open: the next connection may lead elsewhere. */
  readonly #strays: Connection[] = [];

  /** Sends nothing yet. @param used the connections that are compared with */
  constructor(used: ShardConnections, world: World) {
    this.#used = used;
    this.#clusterMap = used.clusterMap;
    this.#world = world;
  }

  /** Runs a script on the servers that were found beside those in use. One that is away now is left out. */
  async runOnStrays(
    script: Script,
    keys: readonly string[],
    args: readonly (string | number)[],
  ): Promise<void> {
    await Promise.allSettled(this.#strays.map(async (stray) => {
      await stray.call("SCRIPT", "LOAD", script.source);
      await stray.call("EVALSHA", script.sha, keys.length, ...keys, ...args);
    }));
  }

  /**
   * Compares the shard's server with those that new connections lead to. After a difference everything connects anew: the
   * connections in use may lead to a server of the past.
   */
  async check(shard: number): Promise<CheckResult[]> {
    const url = this.#clusterMap.urlOf(shard);
    if (url === undefined || await this.#look(shard, url)) return [];
    return [{
      check: "address",
      verdict: "bad",
      found:
        "must lead to one server: new connections lead to another one than those in use, with data of its own. " +
        "Behind a load balancer, or a name with several addresses, only one master may stand",
      promise: "once",
    }];
  }

  /** Closes the connections to strays. */
  async close(): Promise<void> {
    await Promise.all(this.#strays.splice(0).map((connection) => connection.close()));
  }

  #look(shard: number, url: string): Promise<boolean> {
    const nowMs = this.#world.elapsedMs();
    const last = this.#looks.get(url);
    if (last && nowMs - last.atMs < lookEveryMs) return last.isOne;
    const isOne = this.#compare(shard, url).catch((error) => {
      this.#looks.delete(url); // a server that is away now may be back at the next attempt
      throw error;
    });
    this.#looks.set(url, { atMs: nowMs, isOne });
    return isOne;
  }

  async #compare(shard: number, url: string): Promise<boolean> {
    if (this.#strays.length > 0) {
      await this.close();
      this.#clusterMap.reconnect();
    }
    const readInstance = async () => instanceOf(text(await this.#used.call(shard, "INFO", "replication")));
    const used = await readInstance();
    const found = await Promise.all(
      Array.from({ length: connectionsPerLook }, () => this.#connect(url)),
    );
    const others = found.filter(({ instance }) => instance !== "" && instance !== used);
    // Read again: a server that was promoted meanwhile has another id now.
    const isOne = others.length === 0 || await readInstance() !== used;
    if (!isOne) this.#strays.push(...others.map(({ connection }) => connection));
    const unused = found.map(({ connection }) => connection).filter((one) => !this.#strays.includes(one));
    await Promise.all(unused.map((connection) => connection.close()));
    return isOne;
  }

  /** The instance is empty when it does not answer: that is for the connections in use to find out. */
  async #connect(url: string): Promise<{ connection: Connection; instance: string }> {
    const { options } = this.#clusterMap;
    const connection = new Connection(url, { ...options, name: `${options.name}-probe`, onError() {} });
    const answer = connection.whenReady(answerWithinMs)
      .then(async () => instanceOf(text(await connection.call("INFO", "replication"))));
    return { connection, instance: await answer.catch(() => "") };
  }
}
