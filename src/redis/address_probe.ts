/**
 * Checks whether an address leads to one server, or to several independent ones: a load balancer in front of two
 * masters, a name with two records, an address that has moved while old connections remain. Each would be armed in
 * turn, and each would sell the same units.
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

/** A round-robin balancer shows the second server at once, a random one 15 times of 16. */
const connectionsPerCheck = 4;
/** Shards share servers; each address is checked once per interval. */
const checkEveryMs = 1000;
const answerWithinMs = 500;

interface Look {
  readonly atMs: number;
  readonly isOne: Promise<boolean>;
}

/** The replication id of a server: the same on every connection to it. */
function instanceOf(info: string): string {
  return /^master_replid:(\w+)/m.exec(info)?.[1] ?? "";
}

/** Opens additional connections to addresses, and compares their servers with those in use. */
export class AddressProbe {
  readonly #used: ShardConnections;
  readonly #clusterMap: ClusterMap;
  readonly #world: World;
  readonly #checks = new Map<string, Look>();
  /** Connections to other servers, kept open because the next connection may lead elsewhere. */
  readonly #strays: Connection[] = [];

  /** @param used the connections to compare with */
  constructor(used: ShardConnections, world: World) {
    this.#used = used;
    this.#clusterMap = used.clusterMap;
    this.#world = world;
  }

  /** Runs a script on the other servers that were found. Unreachable ones are skipped. */
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
   * Compares the shard's server with those of new connections. After a difference all connections are replaced,
   * because those in use may lead to an earlier server.
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

  /** Closes the connections to other servers. */
  async close(): Promise<void> {
    await Promise.all(this.#strays.splice(0).map((connection) => connection.close()));
  }

  #look(shard: number, url: string): Promise<boolean> {
    const nowMs = this.#world.elapsedMs();
    const last = this.#checks.get(url);
    if (last && nowMs - last.atMs < checkEveryMs) return last.isOne;
    const isOne = this.#compare(shard, url).catch((error) => {
      this.#checks.delete(url); // a server that is unreachable now may be back at the next attempt
      throw error;
    });
    this.#checks.set(url, { atMs: nowMs, isOne });
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
      Array.from({ length: connectionsPerCheck }, () => this.#connect(url)),
    );
    const others = found.filter(({ instance }) => instance !== "" && instance !== used);
    // Read again: a server that was promoted meanwhile has a new id.
    const isOne = others.length === 0 || await readInstance() !== used;
    if (!isOne) this.#strays.push(...others.map(({ connection }) => connection));
    const unused = found.map(({ connection }) => connection).filter((one) => !this.#strays.includes(one));
    await Promise.all(unused.map((connection) => connection.close()));
    return isOne;
  }

  /** The instance is empty when it does not respond; the connections in use detect that. */
  async #connect(url: string): Promise<{ connection: Connection; instance: string }> {
    const { options } = this.#clusterMap;
    const connection = new Connection(url, { ...options, name: `${options.name}-probe`, onError() {} });
    const answer = connection.whenReady(answerWithinMs)
      .then(async () => instanceOf(text(await connection.call("INFO", "replication"))));
    return { connection, instance: await answer.catch(() => "") };
  }
}
