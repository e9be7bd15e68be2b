/**
 * The key names of a shard: a fixed list, declared in `KEYS`, that does not grow with orders or users.
 *
 * @module
 */
import slotOf from "cluster-key-slot";

/** The keys of a deployment. */
export interface KeySpace {
  /** Prefix of the hash tag of every key: it separates deployments. */
  readonly namespace: string;
  /** Fixed for a deployment. */
  readonly shards: number;
}

/** Slots of a Redis Cluster. */
const slots = 16384;

/** A shard's keys in the order in which every script takes them (`lua/decide.lua`, header). */
export const keyNames = [
  "meta",
  "stock",
  "orders:0",
  "orders:1",
  "limits:0",
  "limits:1",
  "quota",
  "expiry",
  "events",
] as const;

/**
 * The hash tag of a shard. All keys of a shard have it, so a script touches one slot.
 *
 * Plain tags are distributed unevenly: 12 of them 2 / 3 / 7 on three masters. Therefore a tag gets the first suffix
 * that puts its slot into the shard's even part of the slots; with one shard every slot is in it.
 */
export function hashTag(namespace: string, shard: number, shards: number): string {
  const low = Math.floor((shard * slots) / shards);
  const high = Math.floor(((shard + 1) * slots) / shards);
  for (let suffix = 0;; suffix++) {
    const tag = `${namespace}:${shard}${suffix === 0 ? "" : `.${suffix}`}`;
    const slot = slotOf(tag);
    if (slot >= low && slot < high) return tag;
  }
}

/** The slot of every shard, which contains all of its keys. */
export function allShardSlots({ namespace, shards }: KeySpace): number[] {
  return Array.from({ length: shards }, (_, shard) => slotOf(hashTag(namespace, shard, shards)));
}

/** The keys of every shard of a deployment, each list in the order of {@link keyNames}. */
export function allShardKeys({ namespace, shards }: KeySpace): string[][] {
  return Array.from({ length: shards }, (_, shard) => {
    const tag = hashTag(namespace, shard, shards);
    return keyNames.map((name) => `{${tag}}:${name}`);
  });
}
