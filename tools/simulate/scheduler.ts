/**
 * Virtual time, processes and chance of a simulation. One event runs at a time; the next one runs when every promise that
 * can settle has settled.
 *
 * @module
 */
import type { Cancel, World } from "../../src/runtime/world.ts";

/** Virtual time 0 as a date, ms since 1970. */
const epochMs = 1_700_000_000_000;
/** A chain of promises of the product is at most about 20 long. */
const hopsPerStep = 40;

/** A seeded generator (mulberry32). Each purpose has its own, so that one decision less does not shift the others. */
export class Chance {
  #state: number;

  constructor(seed: number, purpose: number) {
    this.#state = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(purpose + 1, 0xc2b2ae35);
  }

  /** Uniform in [0, 1). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  }

  /** An integer from `low` to `high`, both included. */
  between(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1));
  }

  /** True with probability `share`. */
  isHit(share: number): boolean {
    return this.next() < share;
  }
}

/** What happens to a process at one of its next awaits. */
export interface Ambush {
  /** Awaits until then, or calls of that name. */
  left: number;
  /** Only at calls of this name; undefined = at any await. */
  readonly at: string | undefined;
  readonly strike: () => void;
}

/** A process. When it has crashed, none of its events runs any more. */
export interface Process {
  readonly name: string;
  readonly world: World;
  isAlive: boolean;
  /** Its clock minus the date, ms. */
  skewMs: number;
  /** Its events wait until then, ms of virtual time. */
  frozenUntilMs: number;
  /** Awaits on a server or a timer that have begun or ended. */
  points: number;
  ambush: Ambush | undefined;
}

interface Event {
  atMs: number;
  order: number;
  readonly owner: Process | undefined;
  readonly run: () => void;
  isCancelled: boolean;
}

/** Runs events in the order of virtual time. */
export class Scheduler {
  readonly #heap: Event[] = [];
  readonly #chance: Chance;
  readonly #isTraced: boolean;
  #order = 0;
  #ids = 0;
  /** Virtual time, ms. */
  nowMs = 0;
  /** Events that have run. */
  steps = 0;
  /** While a transaction is open, the next event waits. */
  busy = 0;
  /** Lines of the trace, if it is kept. */
  readonly trace: string[] = [];

  constructor(seed: number, isTraced: boolean) {
    this.#chance = new Chance(seed, 1);
    this.#isTraced = isTraced;
  }

  /** The date of virtual time, ms since 1970. */
  get dateMs(): number {
    return epochMs + this.nowMs;
  }

  /** Writes a line of the trace. */
  note(what: string): void {
    if (this.#isTraced) this.trace.push(`${this.nowMs} ${what}`);
  }

  /** Runs `run` after `ms`, unless `owner` has crashed. */
  after(ms: number, owner: Process | undefined, run: () => void): Cancel {
    const event = {
      atMs: this.nowMs + Math.max(0, ms),
      order: ++this.#order,
      owner,
      run,
      isCancelled: false,
    };
    this.#push(event);
    return () => {
      event.isCancelled = true;
    };
  }

  /** A process whose world is this scheduler's. */
  process(name: string): Process {
    const owner: Process = {
      name,
      isAlive: true,
      skewMs: 0,
      frozenUntilMs: 0,
      points: 0,
      ambush: undefined,
      world: {
        now: () => this.dateMs + owner.skewMs,
        elapsedMs: () => this.nowMs,
        after: (ms, fn) => this.after(ms, owner, fn),
        afterTurn: (fn) => void this.after(0, owner, fn),
        random: () => this.#chance.next(),
        uuid: () => this.uuid(),
      },
    };
    return owner;
  }

  /** A process begins or ends an await: it may be struck here. */
  point(owner: Process, call = ""): void {
    owner.points++;
    const { ambush } = owner;
    if (!ambush || ambush.at !== undefined && ambush.at !== call || --ambush.left > 0) return;
    owner.ambush = undefined;
    this.note(`${owner.name} is struck at await ${owner.points} ${call}`);
    ambush.strike();
  }

  /** The next id. */
  uuid(): string {
    return `00000000-0000-4000-8000-${String(++this.#ids).padStart(12, "0")}`;
  }

  /** Runs the next event. False when none is left. */
  async step(): Promise<boolean> {
    const event = this.#pop();
    if (!event) return false;
    if (event.isCancelled || event.owner?.isAlive === false) return true;
    this.nowMs = Math.max(this.nowMs, event.atMs);
    const { owner } = event;
    if (owner && owner.frozenUntilMs <= this.nowMs) this.point(owner);
    if (owner?.isAlive === false) return true;
    if (owner && owner.frozenUntilMs > this.nowMs) {
      event.atMs = owner.frozenUntilMs;
      this.#push(event);
      return true;
    }
    this.steps++;
    event.run();
    for (let hop = 0; hop < hopsPerStep || this.busy > 0; hop++) await null;
    return true;
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let at = heap.push(event) - 1;
    while (at > 0) {
      const up = (at - 1) >> 1;
      if (!isBefore(event, heap[up])) break;
      heap[at] = heap[up] as Event;
      at = up;
    }
    heap[at] = event;
  }

  #pop(): Event | undefined {
    const heap = this.#heap;
    const [first] = heap;
    const last = heap.pop();
    if (!last || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let down = 2 * at + 1;
      if (down >= heap.length) break;
      if (down + 1 < heap.length && isBefore(heap[down + 1], heap[down])) down++;
      if (!isBefore(heap[down], last)) break;
      heap[at] = heap[down] as Event;
      at = down;
    }
    heap[at] = last;
    return first;
  }
}

function isBefore(a: Event | undefined, b: Event | undefined): boolean {
  if (!a || !b) return false;
  return a.atMs !== b.atMs ? a.atMs < b.atMs : a.order < b.order;
}
