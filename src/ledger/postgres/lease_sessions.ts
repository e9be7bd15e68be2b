/**
 * The sessions that hold the leases of a process. Up to {@link sessionsMax} shards have a session each, so their
 * transactions do not wait for one another's commits. More shards share the sessions, so that a worker with 64 shards
 * takes 8 of PostgreSQL's connections, not 64.
 *
 * @module
 */
import type { Database, Session } from "./database.ts";

/**
 * This many concurrent commits keep a worker busy: it applies an order in 14 to 16 µs, and a commit waits for a disk.
 */
const sessionsMax = 8;

/** A shard's lock and its session. */
export interface LeaseSession {
  /** Other shards may share it; calls run one after another. */
  readonly session: Session;
  /** Releases the lock. Never rejects: a lock that cannot be released ends with its session. */
  release(): Promise<void>;
}

/** A session and its number of shards, including those being added. */
interface Seat {
  readonly session: Promise<Session>;
  shards: number;
}

/** Opens sessions when leases need them, and closes each with its last lease. */
export class LeaseSessions {
  readonly #database: Pick<Database, "session">;
  /** Without lost ones, which end with their last shard. */
  readonly #seats = new Set<Seat>();
  /** PostgreSQL grants a session a lock that it already has, so this process tracks its own locks. */
  readonly #ours = new Map<number, Seat>();

  /** Sessions that hold a lease. */
  readonly #holding = new Set<Session>();

  constructor(database: Pick<Database, "session">) {
    this.#database = database;
  }

  /**
   * Abandons sessions that the server has ended unnoticed, as when a link drops packets: a call on one waits for half
   * a minute, and its shards appear leased all the while.
   *
   * @param witness another session of the same server
   */
  async loseEnded(witness: Session): Promise<void> {
    const held = [...this.#holding];
    if (held.length === 0) return;
    const ended = await witness.ended(held.map(({ pid }) => pid));
    for (const session of held) if (ended.includes(session.pid)) session.abandon("PostgreSQL has ended it");
  }

  /** Takes the lock of a shard, or returns undefined while a session has it, of this process or another. */
  async take(shard: number): Promise<LeaseSession | undefined> {
    const ours = this.#ours.get(shard);
    if (ours && await this.#isAlive(ours)) return undefined;
    const seat = this.#seat();
    this.#ours.set(shard, seat);
    let isLocked = false;
    try {
      const session = await seat.session;
      isLocked = await session.tryLock(shard);
      if (isLocked) this.#holding.add(session);
      return isLocked ? { session, release: () => this.#release(shard, seat, session) } : undefined;
    } catch (error) {
      this.#seats.delete(seat);
      throw error;
    } finally {
      if (!isLocked) await this.#leave(shard, seat);
    }
  }

  async #release(shard: number, seat: Seat, session: Session): Promise<void> {
    // The last lock ends with its session, which saves a round trip.
    if (seat.shards > 1) await session.unlock(shard).catch(() => this.#seats.delete(seat));
    await this.#leave(shard, seat);
  }

  async #leave(shard: number, seat: Seat): Promise<void> {
    seat.shards--;
    if (seat.shards === 0) {
      this.#seats.delete(seat);
      const session = await seat.session.catch(() => undefined);
      if (session) this.#holding.delete(session);
      await session?.close();
    }
    if (this.#ours.get(shard) === seat) this.#ours.delete(shard);
  }

  /** A lease whose session is lost is free, even before its holder has noticed. */
  async #isAlive(seat: Seat): Promise<boolean> {
    try {
      await (await seat.session).ping();
      return true;
    } catch {
      this.#seats.delete(seat);
      return false;
    }
  }

  /** A new session up to the maximum, then the one with the fewest shards. */
  #seat(): Seat {
    const [emptiest] = [...this.#seats].toSorted((a, b) => a.shards - b.shards);
    let seat = this.#seats.size < sessionsMax ? undefined : emptiest;
    if (!seat) {
      seat = { session: this.#database.session(), shards: 0 };
      this.#seats.add(seat);
    }
    seat.shards++;
    return seat;
  }
}
