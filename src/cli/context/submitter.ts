/**
 * Submits thousands of repeatable commands, as fast as the servers accept them.
 *
 * @module
 */
import type { Command } from "../../domain/command.ts";
import type { Decided } from "../../domain/outcome.ts";
import { Router } from "../../decide/router.ts";
import { StoreError } from "../../domain/errors.ts";
import { type StockStore } from "../../decide/store.ts";
import { sleep, type World } from "../../runtime/world.ts";
import { Failure } from "./failure.ts";

/** Commands in one call to the store: the measured default of BATCH_MAX. */
const batchMax = 256;
/** A failover takes seconds; after this time an operator must act. */
const patienceMs = 60_000;
const retryMs = 200;
/** A repetition is harmless, so the deadline is long; past it the store refuses with `late`. */
const deadlineMs = 60_000;

/** Eight calls are in flight together, so that they share one `fsync`. */
export const roundMax = 8 * batchMax;

/** Sends commands with their own ids: a failed call is repeated. */
export class Submitter {
  readonly #router: Router;
  /** Store's clock minus ours, by shard. */
  readonly #offsets = new Map<number, number>();

  constructor(readonly store: StockStore, readonly world: World, shards: number) {
    this.#router = new Router(shards);
  }

  /**
   * Decides commands of one SKU each, in order per SKU. Returns their outcomes in order.
   *
   * @throws {Failure} when a shard does not decide for a minute
   */
  async decideAll<C extends Command>(
    commands: readonly C[],
    skuOf: (command: C) => string,
  ): Promise<(Decided | undefined)[]> {
    const outcomes: (Decided | undefined)[] = new Array(commands.length).fill(undefined);
    const byShard = Map.groupBy(commands.keys(), (i) => {
      const command = commands[i];
      return command ? this.#router.route(skuOf(command)) : 0;
    });
    await Promise.all([...byShard].map(async ([shard, indexes]) => {
      const batches: number[][] = [];
      for (let i = 0; i < indexes.length; i += batchMax) batches.push(indexes.slice(i, i + batchMax));
      await this.#learnClock(shard);
      await Promise.all(batches.map(async (batch) => {
        const asked = batch.flatMap((i) => commands[i] ?? []);
        const decided = await this.#decide(shard, asked);
        batch.forEach((i, at) => outcomes[i] = decided[at]);
      }));
    }));
    return outcomes;
  }

  async #learnClock(shard: number): Promise<void> {
    if (!this.#offsets.has(shard)) await this.#decide(shard, []);
  }

  async #decide(shard: number, commands: readonly Command[]): Promise<readonly Decided[]> {
    const giveUpMs = this.world.elapsedMs() + patienceMs;
    for (;;) {
      const why = await this.#attempt(shard, commands);
      if (typeof why !== "string") return await this.#postponed(shard, commands, why);
      if (this.world.elapsedMs() > giveUpMs) throw new Failure(`Cannot continue with shard ${shard}: ${why}`);
      await sleep(this.world, retryMs);
    }
  }

  /** Sends postponed commands again; the first of them is decided for certain. */
  async #postponed(
    shard: number,
    commands: readonly Command[],
    outcomes: readonly Decided[],
  ): Promise<readonly Decided[]> {
    const open = [...outcomes.keys()].filter((i) => outcomes[i]?.kind === "postponed");
    if (open.length === 0) return outcomes;
    const again = await this.#decide(shard, open.flatMap((i) => commands[i] ?? []));
    return outcomes.map((outcome, i) => again[open.indexOf(i)] ?? outcome);
  }

  async #attempt(shard: number, commands: readonly Command[]): Promise<readonly Decided[] | string> {
    const sentMs = this.world.elapsedMs();
    const until = Math.floor(sentMs + (this.#offsets.get(shard) ?? 0) + deadlineMs);
    try {
      const result = await this.store.decide(
        shard,
        commands.map((command) => ({ command, deadlineMs: until })),
      );
      this.#offsets.set(shard, result.timeMs - this.world.elapsedMs());
      if (result.kind === "unarmed") {
        return "it is not armed: see 'inventory status' and the worker's log";
      }
      const busy = result.outcomes.some(({ kind }) => kind === "backlog_full" || kind === "late");
      return busy ? "the ledger is too far behind" : result.outcomes;
    } catch (error) {
      // After an unknown effect, too: the ids of the commands make a second attempt a replay.
      if (!(error instanceof StoreError) || error.effect === "poison") throw error;
      if (error.code === "foreign") throw new Failure(error.message);
      return error.message;
    }
  }
}
