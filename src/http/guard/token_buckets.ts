/**
 * Token buckets, one a key, in bounded memory.
 *
 * @module
 */
import type { Rate } from "../../runtime/settings/config.ts";
import type { World } from "../../runtime/world.ts";

/** Keys of one generation: 100,000 in two of them take 13 MB as addresses, 25 MB as the longest user ids. */
export const keysPerGenerationMax = 50_000;

/** What became of an attempt to take a token. */
export interface Taken {
  /** Whether there was one. */
  readonly ok: boolean;
  /** Whole tokens that are left. */
  readonly left: number;
  /** How long until there is one more, milliseconds. */
  readonly nextMs: number;
}

interface Bucket {
  tokens: number;
  atMs: number;
}

/**
 * Each key has a bucket of `quota` tokens that fills up within the window.
 *
 * Buckets live in two generations. A bucket that was not touched for a window is full again and not worth
 * keeping, so a generation is forgotten a window after it was closed, and before that when it has too
 * many keys: who can come from 50,000 addresses gets his buckets filled early, and no more memory.
 */
export class TokenBuckets {
  readonly #world: World;
  readonly #quota: number;
  readonly #windowMs: number;
  #young = new Map<string, Bucket>();
  #old = new Map<string, Bucket>();
  #turnMs: number;

  /** All buckets are full. */
  constructor(world: World, rate: Rate) {
    this.#world = world;
    this.#quota = rate.quota;
    this.#windowMs = rate.windowS * 1000;
    this.#turnMs = world.elapsedMs() + this.#windowMs;
  }

  /** Keys that are remembered now. */
  get size(): number {
    return this.#young.size + this.#old.size;
  }

  /** Takes a token of the key's bucket, if there is one. */
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
    if (nowMs >= this.#turnMs || this.#young.size >= keysPerGenerationMax) this.#turn(nowMs);
    const young = this.#young.get(key);
    if (young !== undefined) return young;
    const bucket = this.#old.get(key) ?? { tokens: this.#quota, atMs: nowMs };
    this.#old.delete(key);
    this.#young.set(key, bucket);
    return bucket;
  }

  #turn(nowMs: number): void {
    this.#old = this.#young;
    this.#young = new Map();
    this.#turnMs = nowMs + this.#windowMs;
  }
}
