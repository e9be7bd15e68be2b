/**
 * The worker: runs the shards of its assignment.
 *
 * The heartbeat, four times a second, reads the number of workers and the leased shards. A worker with more shards than
 * assigned releases some, one with fewer leases free ones. So a shard whose worker died is leased within 250 ms of the
 * end of its lease, and there is no leader that can fail.
 *
 * A worker that fails at a shard although its lease is valid (it cannot reach Redis, for example) is suspended for 10 s and
 * until it reaches that shard's store again. The assignments of the others then cover all shards, and they lease what it
 * released. When all workers fail, all are suspended, and each leases free shards.
 *
 * @module
 */
import { ForeignLedger } from "../domain/errors.ts";
import type { Membership, ShardLedger } from "../ledger/ledger.ts";
import { describeError } from "../runtime/logger.ts";
import { Reminder } from "../runtime/reminder.ts";
import { sleep } from "../runtime/world.ts";
import { assignedCount, shardsToTake } from "./assignment.ts";
import { StandingMonitor } from "./standing.ts";
import { PeerLogs } from "./peer_logs.ts";
import type { ShardWorkerParts } from "./shard_parts.ts";
import { runShard } from "./shard_worker.ts";

export type WorkerParts = Omit<ShardWorkerParts, "signal" | "interruption">;

export interface Worker {
  /** Ends the loops: a running transaction is finished, leases are released at once. */
  stop(): Promise<void>;
}

/** A membership ends after 3 s of silence; a takeover waits for the next heartbeat. */
const heartbeatEveryMs = 250;

/** Starts a worker. It is active until it fails. */
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

/** A shard that runs or is being released. */
interface RunningShard {
  readonly stop: AbortController;
  readonly ended: Promise<void>;
}

class Balancer {
  readonly #parts: WorkerParts;
  readonly #signal: AbortSignal;
  readonly #running = new Map<number, RunningShard>();
  readonly #standing: StandingMonitor;
  readonly #peerLogs: PeerLogs;
  readonly #unreachable: Reminder;
  readonly #foreign: Reminder;
  /** By shard: kept from one lease to the next. */
  readonly #interruptions = new Map<number, Reminder>();

  constructor(parts: WorkerParts, signal: AbortSignal) {
    this.#parts = parts;
    this.#standing = new StandingMonitor(parts.world, (shard) => parts.control.inspect(shard));
    this.#signal = signal;
    this.#peerLogs = new PeerLogs(parts);
    const { world, logger } = parts;
    this.#unreachable = new Reminder(
      world,
      ({ why, ...fields }) => logger.warn("cannot reach the other workers", { error: why, ...fields }),
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
        (error instanceof ForeignLedger ? this.#foreign : this.#unreachable).say(describeError(error));
      } finally {
        await membership?.leave().catch(() => {}); // the membership ends with its connection in any case
      }
      await sleep(world, heartbeatEveryMs, this.#signal);
    }
    await Promise.all([...this.#running.values()].map(({ ended }) => ended));
  }

  async #balance(membership: Membership): Promise<void> {
    const { world, logger, deployment: { shards } } = this.#parts;
    let last = "";
    while (!this.#signal.aborted) {
      const standing = this.#standing.current;
      const peers = await membership.heartbeat(standing);
      this.#foreign.clear();
      if (this.#unreachable.clear()) logger.info("other workers reached again");
      const assigned = assignedCount(shards, peers);
      const seen = `${assigned} of ${shards} shards, ${peers.workers} workers, ${standing}`;
      if (seen !== last) logger.info("assignment", { share: seen });
      last = seen;

      const staying = [...this.#running.values()].filter(({ stop }) => !stop.signal.aborted);
      for (const { stop } of staying.slice(assigned)) stop.abort(); // those leased last
      const leased = [...peers.leased, ...this.#running.keys()];
      // The others lease what this worker released: leased again at once, it would wait for the next failure.
      const isLeftToOthers = standing === "suspended" && peers.workers > 1;
      const wanted = isLeftToOthers ? 0 : assigned - staying.length;
      // Not awaited: a slow store must not end the membership.
      void this.#peerLogs.check(peers.leased.filter((shard) => !this.#running.has(shard)));
      await this.#lease(shardsToTake(shards, wanted, { ...peers, leased }));
      await sleep(world, heartbeatEveryMs, this.#signal);
    }
  }

  /** Leases free shards concurrently: one by one, 1024 shards would take longer than the 3 s of a membership. */
  async #lease(shards: readonly number[]): Promise<void> {
    const { ledger } = this.#parts;
    const leases = await Promise.allSettled(shards.map((shard) => ledger.lease(shard)));
    for (const { value: lease } of leases.filter((result) => result.status === "fulfilled")) {
      if (lease) this.#run(lease);
    }
    const failure = leases.find((result) => result.status === "rejected");
    if (failure) throw failure.reason;
  }

  #run(lease: ShardLedger): void {
    const { shard } = lease;
    const stop = new AbortController();
    const signal = AbortSignal.any([this.#signal, stop.signal]);
    const ended = runShard(lease, { ...this.#parts, signal, interruption: this.#interruptionOf(shard) })
      .then((how) => {
        this.#running.delete(shard);
        if (how === "failed") this.#standing.failed(shard);
      });
    this.#running.set(shard, { stop, ended });
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
