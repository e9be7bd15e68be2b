/**
 * Token buckets, one per key, in bounded memory.
 *
 * @module
 */
import type { Rate } from "../../runtime/settings/config.ts";
import type { World } from "../../runtime/world.ts";

/**
 * Keys of one generation: 100,000 keys in two generations take 13 MB as addresses, 25 MB as the longest user
 * ids.
 */
export const keysPerGenerationMax = 50_000;

/** The result of an attempt to take a token. */
export interface Taken {
  /** Whether a token was available. */
  readonly ok: boolean;
  /** Whole tokens left. */
  readonly left: number;
  /** Time until the next token, in milliseconds. */
  readonly nextMs: number;
}

interface Bucket {
  tokens: number;
  atMs: number;
}

/**
 * Each key has a bucket of `quota` tokens that refills within the window.
 *
 * Buckets are stored in two generations. A bucket that was not touched for a window is full again and need not
 * be stored, so a generation is dropped one window after it was closed, and earlier when it has too many keys.
 * A client with 50,000 addresses therefore gets its buckets refilled early, but uses no more memory.
 */
export class TokenBuckets {
  readonly #world: World;
  readonly #quota: number;
  readonly #windowMs: number;
  #young = new Map<string, Bucket>();
  #old = new Map<string, Bucket>();
  #rotateMs: number;

  constructor(world: World, rate: Rate) {
    this.#world = world;
    this.#quota = rate.quota;
    this.#windowMs = rate.windowS * 1000;
    this.#rotateMs = world.elapsedMs() + this.#windowMs;
  }

  /** Number of stored keys. */
  get size(): number {
    return this.#young.size + this.#old.size;
  }

  /** Takes a token from the key's bucket, if one is left. */
  take(key: string): Taken {
    const nowMs = this.#world.elapsedMs();
    const bucket = this.#bucket(key, nowMs);
    const refilled = (nowMs - bucket.atMs) * this.#quota / this.#windowMs;
    bucket.tokens = Math.min(this.#quota, bucket.tokens + refilled);
    bucket.atMs = nowMs;
    const ok = bucket.tokens >= 1;
    if (ok) bucket.tokens--;
    const left = Math.floor(bucket.tokens);
    return { ok, left, nextMs: (left + 1 - bucket.tokens) * this.#windowMs / this.#quota };
  }

  #bucket(key: string, nowMs: number): Bucket {
    if (nowMs >= this.#rotateMs || this.#young.size >= keysPerGenerationMax) this.#rotate(nowMs);
    const young = this.#young.get(key);
    if (young !== undefined) return young;
    const bucket = this.#old.get(key) ?? { tokens: this.#quota, atMs: nowMs };
    this.#old.delete(key);
    this.#young.set(key, bucket);
    return bucket;
  }

  #rotate(nowMs: number): void {
    this.#old = this.#young;
    this.#young = new Map();
    this.#rotateMs = nowMs + this.#windowMs;
  }
}
