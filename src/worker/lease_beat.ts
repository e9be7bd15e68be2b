/**
 * Keeps a lease during long work that does not call the ledger.
 *
 * @module
 */
import type { ShardLedger } from "../ledger/ledger.ts";
import { sleep, type World } from "../runtime/world.ts";

/** A session that is silent for 3 s loses its lease. */
const beatEveryMs = 1000;

/**
 * Waits for `work` and sends a heartbeat every second.
 *
 * @throws {LeaseLost} when the lease ends before `work` does
 */
export async function whileBeating<T>(ledger: ShardLedger, world: World, work: Promise<T>): Promise<T> {
  const ended = new AbortController();
  const settled = work.finally(() => ended.abort());
  settled.catch(() => {}); // awaited below, unless a beat fails first
  while (!ended.signal.aborted) {
    await Promise.race([settled, sleep(world, beatEveryMs, ended.signal)]);
    if (!ended.signal.aborted) await ledger.beat();
  }
  return await settled;
}
