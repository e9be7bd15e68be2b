/**
 * Whether the others count on a worker: not for a while after it failed at a shard, and not before it reaches that
 * shard's store again.
 *
 * @module
 */
import type { Standing } from "../ledger/ledger.ts";
import type { World } from "../runtime/world.ts";

/** A worker that fails again and again moves its shards no oftener than this. */
const suspendedMs = 10_000;
/** Between two attempts to reach the store; one that hears nothing takes 2 s by itself. */
const tryEveryMs = 1000;

/** The standing of one worker. */
export class StandingMonitor {
  readonly #world: World;
  readonly #reach: (shard: number) => Promise<unknown>;
  #failure: { readonly shard: number; readonly atMs: number } | undefined;
  #isTrying = false;
  #tryAtMs = 0;

  /**
   * Counted until it fails.
   *
   * @param reach asks the store of a shard for anything; rejects when it cannot be reached
   */
  constructor(world: World, reach: (shard: number) => Promise<unknown>) {
    this.#world = world;
    this.#reach = reach;
  }

  /** The worker failed at a shard whose lease was good. */
  failed(shard: number): void {
    this.#failure = { shard, atMs: this.#world.elapsedMs() };
  }

  /** As of now. May begin an attempt to reach the store, and does not wait for it. */
  get current(): Standing {
    const failure = this.#failure;
    if (!failure) return "active";
    const nowMs = this.#world.elapsedMs();
    const isDue = nowMs >= Math.max(failure.atMs + suspendedMs, this.#tryAtMs);
    if (isDue && !this.#isTrying) void this.#try(failure);
    return "suspended";
  }

  async #try(failure: { readonly shard: number }): Promise<void> {
    this.#isTrying = true;
    try {
      await this.#reach(failure.shard);
      if (this.#failure === failure) this.#failure = undefined;
    } catch {
      this.#tryAtMs = this.#world.elapsedMs() + tryEveryMs; // not yet
    } finally {
      this.#isTrying = false;
    }
  }
}
