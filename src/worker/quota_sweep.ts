/**
 * Drops what users have bought under quotas that are over: nothing else ever would.
 *
 * @module
 */
import type { ShardControl } from "../decide/shard_control.ts";
import type { World } from "../runtime/world.ts";

/** Between two pages, and between two passes: a million counts are looked at in 14 minutes. */
const pageEveryMs = 200;
const passEveryMs = 60_000;

/** Sweeps one shard, a page a step. */
export class QuotaSweep {
  readonly #control: ShardControl;
  readonly #world: World;
  #cursor = "0";
  #nextMs = 0;

  /** Begins at the first step. */
  constructor(control: ShardControl, world: World) {
    this.#control = control;
    this.#world = world;
  }

  /** Looks at a page when one is due. */
  async step(shard: number, deployment: string): Promise<void> {
    const nowMs = this.#world.elapsedMs();
    if (nowMs < this.#nextMs) return;
    this.#cursor = await this.#control.sweepQuotas(shard, deployment, this.#cursor);
    this.#nextMs = nowMs + (this.#cursor === "0" ? passEveryMs : pageEveryMs);
  }
}
