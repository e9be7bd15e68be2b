/**
 * The port of the inventory, and its options.
 *
 * @module
 */
import type { Command } from "../domain/command.ts";
import type { OrderOutcome, Outcome } from "../domain/outcome.ts";
import type { OrderArchive } from "./archive.ts";
import type { BasketDecisions } from "./basket_decisions.ts";
import type { BatcherOptions } from "./batcher.ts";
import type { CommandTimings } from "./command_timings.ts";
import type { Readiness } from "./readiness.ts";

/** Decides commands; every answer is a value, a rejection means broken code. */
export interface Inventory {
  /**
   * Decides one command. Settles at the latest when its deadline has passed.
   *
   * @param timings where it is noted how the command goes
   * @param isFirstAttempt whether the client declares that it never sent this sale before, so that it is not the retry
   * of an accepted one. Called only for what is sold out: a header costs an order 0.3 µs. Default no
   */
  submit(command: Command, timings?: CommandTimings, isFirstAttempt?: () => boolean): Promise<Outcome>;
  /**
   * What became of an order: all shards are asked, and the ledger for what they may have forgotten. Counts for
   * `queueMax` as a command does.
   */
  findOrder(orderId: string): Promise<OrderOutcome>;
  /** Runs the real decision on a canary in every shard; writes nothing. An answer is given again for one second. */
  readiness(): Promise<Readiness>;
  /** The shard that owns a SKU. */
  shardOf(sku: string): number;
  /** Commands that wait for a call. */
  readonly waiting: number;
  /** Shards that refused to sell when they were last asked. */
  readonly unarmedShards: number;
  /** How often the sold-out cache answered, and how often the store had to, since the start. */
  readonly soldOut: { readonly hits: number; readonly misses: number };
}

/** Bounds and promises of a process. */
export interface ServiceOptions extends BatcherOptions {
  /** Number of shards, fixed for the deployment: one batcher each. */
  readonly shards: number;
  /** Commands and look-ups on their way in this process; beyond it `overloaded`, at once. */
  readonly queueMax: number;
  /** Guarantees that this deployment does not keep, as text; repeated in every {@link Readiness}. */
  readonly guaranteesOff: () => readonly string[];
  /** Null when this process has no ledger to look into. */
  readonly archive: OrderArchive | null;
  /** Null when this process has no ledger: a basket of several shards is `cross_shard`. */
  readonly decisions: BasketDecisions | null;
}
