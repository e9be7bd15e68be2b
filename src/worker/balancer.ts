/**
 * The worker: keeps its share of the shards.
 *
 * Four times a second it looks around: how many workers there are, and which shards have no lease. Above its share it
 * gives shards back, below it it takes free ones. So a shard whose worker died is taken within a look of the end of
 * its lease, and nobody decides for others: there is no leader to lose.
 *
 * A worker that fails at a shard although its lease is good (it cannot reach Redis, say) is not counted for a while,
 * and until it reaches that shard's store again: the others' shares then cover all shards, and they take what it has
 * let go. When all of them fail none is counted, and each tries what is free.
 *
 * @module
 */
import { ForeignLedger } from "../domain/errors.ts";
import type { Membership, ShardLedger } from "../ledger/ledger.ts";
import { describeError } from "../runtime/logger.ts";
import { Reminder } from "../runtime/reminder.ts";
import { sleep } from "../runtime/world.ts";
import { partitionOf, shardsToTake } from "./assignment.ts";
import { StandingMonitor } from "./standing.ts";
import { PeerLogs } from "./peer_logs.ts";
import type { ShardWorkerParts } from "./shard_parts.ts";
import { keepShard } from "./shard_worker.ts";

/** What a worker needs. */
export type WorkerParts = Omit<ShardWorkerParts, "signal" | "interruption">;

/** A running worker. */
export interface Worker {
  /** Ends the loops: what is being applied is applied, leases are given back at once. */
  stop(): Promise<void>;
}

/** A place is lost after 3 s of silence; a takeover waits for the next look. */
const lookEveryMs = 250;

/** Starts a worker, counted until it fails. */
export function startWorker(parts: WorkerParts): Worker {
  const stopping = new AbortController();
  const ended = new Balancer(parts, stopping.signal).run();
  return {
    async stop() {
      stopping.abort();
      await ended;
    },
  };
}

/** A shard that is kept, or being given back. */
interface Kept {
  readonly stop: AbortController;
  readonly ended: Promise<void>;
}

class Balancer {
  readonly #parts: WorkerParts;
  readonly #signal: AbortSignal;
  readonly #kept = new Map<number, Kept>();
  readonly #standing: StandingMonitor;
  readonly #peerLogs: PeerLogs;
  readonly #outOfSight: Reminder;
  readonly #foreign: Reminder;
  /** One a shard: it lasts from one lease to the next. */
  readonly #interruptions = new Map<number, Reminder>();

  constructor(parts: WorkerParts, signal: AbortSignal) {
    this.#parts = parts;
    this.#standing = new StandingMonitor(parts.world, (shard) => parts.control.inspect(shard));
    this.#signal = signal;
    this.#peerLogs = new PeerLogs(parts);
    const { world, logger } = parts;
    this.#outOfSight = new Reminder(
      world,
      ({ why, ...fields }) => logger.warn("other workers out of sight", { error: why, ...fields }),
    );
    this.#foreign = new Reminder(
      world,
      ({ why, ...fields }) => logger.error("ledger of another deployment", { error: why, ...fields }),
    );
  }

  async run(): Promise<void> {
    const { ledger, world, onFailure } = this.#parts;
    while (!this.#signal.aborted) {
      let membership: Membership | undefined;
      try {
        membership = await ledger.join();
        await this.#balance(membership);
      } catch (error) {
        if (this.#signal.aborted) break;
        onFailure?.(error);
        (error instanceof ForeignLedger ? this.#foreign : this.#outOfSight).say(describeError(error));
      } finally {
        await membership?.leave().catch(() => {}); // the place ends with its connection in any case
      }
      await sleep(world, lookEveryMs, this.#signal);
    }
    await Promise.all([...this.#kept.values()].map(({ ended }) => ended));
  }

  async #balance(membership: Membership): Promise<void> {
    const { world, logger, deployment: { shards } } = this.#parts;
    let last = "";
    while (!this.#signal.aborted) {
      const standing = this.#standing.current;
      const peers = await membership.heartbeat(standing);
      this.#foreign.clear();
      if (this.#outOfSight.clear()) logger.info("other workers in sight again");
      const share = partitionOf(shards, peers);
      const seen = `${share} of ${shards} shards, ${peers.workers} workers, ${standing}`;
      if (seen !== last) logger.info("share", { share: seen });
      last = seen;

      const staying = [...this.#kept.values()].filter(({ stop }) => !stop.signal.aborted);
      for (const { stop } of staying.slice(share)) stop.abort(); // those taken last
      const leased = [...peers.leased, ...this.#kept.keys()];
      // What it has let go is for the others: taken again at once, it would stand still for another failure.
      const isLeftToOthers = standing === "suspended" && peers.workers > 1;
      const wanted = isLeftToOthers ? 0 : share - staying.length;
      // Not awaited: a slow store must not cost the place.
      void this.#peerLogs.check(peers.leased.filter((shard) => !this.#kept.has(shard)));
      await this.#take(shardsToTake(shards, wanted, { ...peers, leased }));
      await sleep(world, lookEveryMs, this.#signal);
    }
  }

  /** Leases what is still free, all at once: one by one 1024 shards would take longer than a place lasts unseen. */
  async #take(shards: readonly number[]): Promise<void> {
    const { ledger } = this.#parts;
    const leases = await Promise.allSettled(shards.map((shard) => ledger.lease(shard)));
    for (const { value: lease } of leases.filter((result) => result.status === "fulfilled")) {
      if (lease) this.#keep(lease);
    }
    const failure = leases.find((result) => result.status === "rejected");
    if (failure) throw failure.reason;
  }

  #keep(lease: ShardLedger): void {
    const { shard } = lease;
    const stop = new AbortController();
    const signal = AbortSignal.any([this.#signal, stop.signal]);
    const ended = keepShard(lease, { ...this.#parts, signal, interruption: this.#interruptionOf(shard) })
      .then((how) => {
        this.#kept.delete(shard);
        if (how === "failed") this.#standing.failed(shard);
      });
    this.#kept.set(shard, { stop, ended });
  }

  #interruptionOf(shard: number): Reminder {
    const { world, logger } = this.#parts;
    const known = this.#interruptions.get(shard) ?? new Reminder(
      world,
      ({ why, ...fields }) => logger.warn("shard interrupted", { shard, error: why, ...fields }),
    );
    this.#interruptions.set(shard, known);
    return known;
  }
}
