/**
 * The sessions that hold a process's leases. Up to {@link sessionsMax} shards have one each, so their transactions
 * wait for one another's commits at no point; more than that share them, so that a worker with 64 shards takes 8 of
 * PostgreSQL's connections and not 64.
 *
 * @module
 */
import type { Database, Session } from "./database.ts";

/** As many commits at once keep a worker busy: applying takes it 14 to 16 µs an order, and a commit waits for a disk. */
const sessionsMax = 8;

/** A shard's lock, and the session that has it. */
export interface LeaseSession {
  /** May be shared with other shards: calls run in turn. */
  readonly session: Session;
  /** Frees the lock. Never rejects: a lock that cannot be given back ends with its session. */
  release(): Promise<void>;
}

/** A session and how many shards are on it, those on their way included. */
interface Seat {
  readonly session: Promise<Session>;
  shards: number;
}

/** Opens sessions when leases need them, and closes each with its last lease. */
export class LeaseSessions {
  readonly #database: Pick<Database, "session">;
  /** Without those that are lost: they end with their last shard. */
  readonly #seats = new Set<Seat>();
  /** PostgreSQL gives a session a lock again that it has already, so what is ours is known here. */
  readonly #ours = new Map<number, Seat>();

  /** Those that hold a lease. */
  readonly #holding = new Set<Session>();

  /** Opens nothing yet. */
  constructor(database: Pick<Database, "session">) {
    this.#database = database;
  }

  /**
   * Takes sessions for lost that the server has ended without this process having heard of it, as when a link drops
   * packets: a call on one waits for half a minute, and the shards on it count as kept all the while.
   *
   * @param witness another session of the same server
   */
  async loseEnded(witness: Session): Promise<void> {
    const held = [...this.#holding];
    if (held.length === 0) return;
    const ended = await witness.ended(held.map(({ pid }) => pid));
    for (const session of held) if (ended.includes(session.pid)) session.abandon("PostgreSQL has ended it");
  }

  /** Takes the lock of a shard, or returns undefined while somebody has it, this process included. */
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
    // The last one's lock ends with the session, one answer of the server earlier.
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

  /** A lease whose session is lost is nobody's, also before its keeper has noticed. */
  async #isAlive(seat: Seat): Promise<boolean> {
    try {
      await (await seat.session).ping();
      return true;
    } catch {
      this.#seats.delete(seat);
      return false;
    }
  }

  /** A new session while there may be more, then the one with the fewest shards. */
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
