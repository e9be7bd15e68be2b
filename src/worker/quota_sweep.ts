/**
 * Deletes purchase counts of quotas that have ended; nothing else deletes them.
 *
 * @module
 */
import type { ShardControl } from "../decide/shard_control.ts";
import type { World } from "../runtime/world.ts";

/** A pass over a million counts takes 14 minutes. */
const pageEveryMs = 200;
const passEveryMs = 60_000;

/** Sweeps one shard, one page per step. */
export class QuotaSweep {
  readonly #control: ShardControl;
  readonly #world: World;
  #cursor = "0";
  #nextMs = 0;

  constructor(control: ShardControl, world: World) {
    this.#control = control;
    this.#world = world;
  }

  async step(shard: number, deployment: string): Promise<void> {
    const nowMs = this.#world.elapsedMs();
    if (nowMs < this.#nextMs) return;
    this.#cursor = await this.#control.sweepQuotas(shard, deployment, this.#cursor);
    this.#nextMs = nowMs + (this.#cursor === "0" ? passEveryMs : pageEveryMs);
  }
}
