/**
 * Decides whether a worker is active or suspended: it is suspended for 10 s after it failed at a shard, and until it
 * reaches that shard's store again.
 *
 * @module
 */
import type { Standing } from "../ledger/ledger.ts";
import type { World } from "../runtime/world.ts";

/** The minimum time between two moves of the shards of a worker that fails repeatedly. */
const suspendedMs = 10_000;
/** An attempt without an answer takes another 2 s. */
const tryEveryMs = 1000;

export class StandingMonitor {
  readonly #world: World;
  readonly #probe: (shard: number) => Promise<unknown>;
  #failure: { readonly shard: number; readonly atMs: number } | undefined;
  #isTrying = false;
  #tryAtMs = 0;

  /**
   * Starts as active.
   *
   * @param probe calls the store of a shard; rejects when it cannot be reached
   */
  constructor(world: World, probe: (shard: number) => Promise<unknown>) {
    this.#world = world;
    this.#probe = probe;
  }

  /** The worker failed at a shard whose lease was valid. */
  failed(shard: number): void {
    this.#failure = { shard, atMs: this.#world.elapsedMs() };
  }

  /** May start an attempt to reach the store, and does not wait for it. */
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
      await this.#probe(failure.shard);
      if (this.#failure === failure) this.#failure = undefined;
    } catch {
      this.#tryAtMs = this.#world.elapsedMs() + tryEveryMs; // not yet
    } finally {
      this.#isTrying = false;
    }
  }
}
