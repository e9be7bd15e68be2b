/**
 * A real Redis Cluster for one test: three masters with a replica each, whose nodes it may kill, freeze, fail
 * over and move slots between.
 *
 * @module
 */
import type { Host } from "./network.ts";
import { type RedisFlavour, type RedisServer, startRedis } from "./redis.ts";
import { waitFor } from "./wait.ts";

const MASTERS = 3;
const SLOTS = 16384;
/** A failover takes one to two of these. */
const NODE_TIMEOUT_MS = 2000;
const FORMED_DEADLINE_MS = 60_000;

/** The server, its number of nodes, and settings of every node in addition to the defaults. */
export interface ClusterOptions {
  /** Redis when left out. */
  readonly flavour?: RedisFlavour;
  /** Appended to every command line. */
  readonly args?: readonly string[];
  /** Of each master: 1 when left out. */
  readonly replicas?: 0 | 1;
  /** Where each node runs, in the order of the nodes; on loopback when left out. */
  readonly hosts?: readonly Host[];
}

/** A node's line of `CLUSTER NODES`, as far as tests read it. */
export interface ClusterNode {
  readonly id: string;
  readonly port: number;
  readonly flags: readonly string[];
  /** Id of its master; `-` when it is one. */
  readonly masterId: string;
  /** Slots that it owns, first and last of each range. */
  readonly ranges: readonly (readonly [number, number])[];
}

/** Starts the nodes; returns when every one of them sees all others, and every replica its master. */
export async function startCluster(
  { flavour = "redis", args = [], replicas = 1, hosts = [] }: ClusterOptions = {},
): Promise<RedisCluster> {
  await using started = new AsyncDisposableStack();
  const nodeArgs = ["--cluster-enabled", "yes", "--cluster-node-timeout", String(NODE_TIMEOUT_MS), ...args];
  const nodes: RedisServer[] = [];
  for (let i = 0; i < MASTERS * (1 + replicas); i++) {
    const host = hosts[i];
    nodes.push(started.use(await startRedis({ flavour, args: nodeArgs, ...host && { host } })));
  }
  const cluster = new RedisCluster(nodes, started.move());
  await cluster.form().catch(async (error) => {
    await cluster[Symbol.asyncDispose]();
    throw error;
  });
  return cluster;
}

/** The first three nodes begin as masters, each of the others as the replica of the one three before it. */
export class RedisCluster implements AsyncDisposable {
  readonly nodes: readonly RedisServer[];
  readonly #owned: AsyncDisposableStack;

  /** Use {@link startCluster}. */
  constructor(nodes: readonly RedisServer[], owned: AsyncDisposableStack) {
    this.nodes = nodes;
    this.#owned = owned;
  }

  /** Every node, as REDIS_URL takes it. */
  get urls(): readonly string[] {
    return this.nodes.map(({ url }) => url);
  }

  /** The node at an index. */
  node(index: number): RedisServer {
    const node = this.nodes[index];
    if (node) return node;
    throw new RangeError(`Cannot use node ${index} as there are ${this.nodes.length}`);
  }

  /** Makes a cluster of the started nodes. */
  async form(): Promise<void> {
    const ids = await Promise.all(this.nodes.map((node) => node.cli("CLUSTER", "MYID")));
    for (const [i, node] of this.nodes.entries()) {
      await node.cli("CLUSTER", "SET-CONFIG-EPOCH", String(i + 1));
      if (i > 0) await this.node(0).cli("CLUSTER", "MEET", node.address, String(node.port));
    }
    for (let i = 0; i < MASTERS; i++) {
      const [first, next] = [i, i + 1].map((at) => Math.floor(at * SLOTS / MASTERS));
      await this.node(i).cli("CLUSTER", "ADDSLOTSRANGE", String(first), String((next ?? SLOTS) - 1));
    }
    for (const [i, replica] of this.nodes.slice(MASTERS).entries()) {
      await waitFor(async () => await replica.cli("CLUSTER", "REPLICATE", ids[i] ?? "") === "OK", {
        deadlineMs: FORMED_DEADLINE_MS,
        what: "a replica that knows its master",
      });
    }
    await this.whole();
  }

  /** Waits until all nodes are up, agree, and every replica follows its master. */
  async whole(deadlineMs: number = FORMED_DEADLINE_MS): Promise<void> {
    const replicas = this.nodes.length - MASTERS;
    await waitFor(async () => {
      for (const node of this.nodes) {
        const [info, replication, view] = await Promise.all([
          node.cli("CLUSTER", "INFO"),
          node.cli("INFO", "replication"),
          this.view(node),
        ]);
        const followed = replication.includes("role:slave") ? "master_link_status:up" : "state=online";
        const isFollowed = replicas === 0 || replication.includes(followed);
        if (!info.includes("cluster_state:ok") || !isFollowed) return false;
        const isSettled = view.every(({ flags }) => !/fail|handshake|noaddr/.test(flags.join()));
        if (!isSettled || view.filter(({ masterId }) => masterId !== "-").length !== replicas) return false;
      }
      return true;
    }, { deadlineMs, what: "a whole cluster" });
  }

  /** The cluster as one of its nodes sees it. */
  async view(node: RedisServer): Promise<ClusterNode[]> {
    const lines = (await node.cli("CLUSTER", "NODES")).split("\n").filter((line) => line !== "");
    return lines.map((line) => {
      const [id = "", address = "", flags = "", masterId = "", , , , , ...slots] = line.split(" ");
      const ranges = slots.filter((slot) => !slot.startsWith("[")).map((slot) => {
        const [first, last = first] = slot.split("-").map(Number);
        return [first ?? -1, last ?? -1] as const;
      });
      return { id, port: Number(/:(\d+)@/.exec(address)?.[1]), flags: flags.split(","), masterId, ranges };
    });
  }

  /** The master that owns a slot now, as `seenBy` sees it: the first node when left out. */
  async ownerOf(slot: number, seenBy: RedisServer = this.node(0)): Promise<RedisServer> {
    const view = await this.view(seenBy);
    const owner = view.find(({ ranges }) => ranges.some(([first, last]) => first <= slot && slot <= last));
    const node = this.nodes.find(({ port }) => port === owner?.port);
    if (node) return node;
    throw new Error(`Cannot find the owner of slot ${slot}`);
  }

  /** Moves a slot with all its keys to another master, key by key; `during` runs when half of them have moved. */
  async moveSlot(slot: number, to: RedisServer, during: () => Promise<void> = async () => {}): Promise<void> {
    const from = await this.ownerOf(slot, to);
    const [fromId, toId] = [await from.cli("CLUSTER", "MYID"), await to.cli("CLUSTER", "MYID")];
    const where = String(slot);
    await to.cli("CLUSTER", "SETSLOT", where, "IMPORTING", fromId);
    await from.cli("CLUSTER", "SETSLOT", where, "MIGRATING", toId);
    const keys = (await from.cli("CLUSTER", "GETKEYSINSLOT", where, "1000")).split("\n").filter(Boolean);
    const migrate = async (some: readonly string[]) => {
      for (const key of some) await from.cli("MIGRATE", "127.0.0.1", String(to.port), key, "0", "5000");
    };
    const half = Math.ceil(keys.length / 2);
    await migrate(keys.slice(0, half));
    await during();
    await migrate(keys.slice(half));
    // The new owner first: between the two the old one still redirects to it.
    await to.cli("CLUSTER", "SETSLOT", where, "NODE", toId);
    await from.cli("CLUSTER", "SETSLOT", where, "NODE", toId);
  }

  /** Ends all nodes and removes their folders. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#owned.disposeAsync();
  }
}
