/**
 * One shard's way from the stream through the topic to the ledger:
 *
 *     stream ──▶ relayed ── append ──▶ topic ──▶ offset ──▶ position ──▶ books
 *
 * One rule heals whatever goes wrong in between, be it a message that was acknowledged and never written, or a topic
 * that was truncated, made anew, or forgot records before they were read:
 *
 *   When the topic is read to its end and still lacks what was relayed, it is relayed again from `position`, the ledger's
 *   own place. What comes a second time is skipped by its number.
 *
 * What the topic has beyond a gap is passed over meanwhile: it comes again behind what fills the gap. When the stream
 * cannot fill the gap, the topic is read from its start: a ledger that was restored from an older copy finds there what
 * it lacks. Only when that does not help either, what is beyond the gap is handed on, so that the ledger see it and the
 * worker acts on it.
 *
 * A topic that ends before `position` when it is opened gets what the stream still has of that, and for the rest a jump:
 * a message that says which numbers do not come. Readers of the topic cannot know it otherwise.
 *
 * Two relays at once do no harm: both copy the same log, in order. Nor does one that an older epoch left behind: what it
 * appends comes before `position`, in the order of epochs.
 *
 * @module
 */
import { comparePositions, type LogEntry, type Position } from "../domain/event.ts";
import type { ReadOptions } from "./event_log.ts";
import { decodeMessage, jumpFrom } from "./message.ts";
import { TopicAway, type TopicBounds, type TopicRecord } from "./topic.ts";
import { appendEntries, type FillParts, fillTopic, firstSeq } from "./topic_fill.ts";
import { type EpochStarts, findEpochs, isOver, readTail, type TopicTail } from "./topic_history.ts";

/** What a relay works between: the stream that the store writes, and the topic that the ledger and others read. */
export interface RelayParts extends FillParts {
  /** Monotonic ms. */
  readonly elapsedMs: () => number;
  /** Entries were appended to the topic, between two readings of {@link RelayParts.elapsedMs}. */
  readonly onAppended?: (entries: readonly LogEntry[], startMs: number, endMs: number) => void;
  /** The topic was missing, and was made. */
  readonly onCreated: () => void;
  /** The topic lacks what follows `after`: it is relayed again. */
  readonly onGap: (after: Position) => void;
  /** A record is of another deployment, or not of our schema: it is passed over. */
  readonly onUnreadable: (offset: number, error: unknown) => void;
}

/** How far the parts of the way are. */
export interface RelayProgress {
  /** Last event that was handed to the ledger. */
  readonly position: Position;
  /** Last event that was appended to the topic. */
  readonly relayed: Position;
  /** Records of the topic that are still to be read: Kafka's own lag. */
  readonly unread: number;
}

/** Where an open relay is. */
interface Way {
  position: Position;
  relayed: Position;
  /** Records that were fetched, and which of them is next: a read is bounded by entries. */
  page: readonly TopicRecord[];
  next: number;
  /** What to fetch behind them, and where the topic ends as far as is known. */
  offset: number;
  end: number;
  /** Where the first record lies that does not follow on `position`. */
  gapAt: number | undefined;
  /** The gap cannot be filled: the next record is handed on as it is. */
  asFound: boolean;
  /** Last position that the topic had when it was opened. */
  readonly tail: Position;
  /** Where its epochs begin; undefined until it was read from its start. */
  starts: EpochStarts | undefined;
}

const start: Position = { epoch: 0, seq: 0 };

/** The place is for displays, and to start from: a worker that takes over skips what was read since. */
const commitEveryMs = 1000;
/** Kafka forgets a place that nobody has committed for a week. */
const keepEveryMs = 3_600_000;
/** What the ledger has, and what they are being given. */
const handedMax = 2;
/** What was relayed, acknowledged and lost so often in a row is no accident; reading from the start takes 2 of them. */
const roundsMax = 6;

/** See the head of this file. One call at a time. */
export class Relay {
  readonly #parts: RelayParts;
  #way: Way | undefined;
  /** Where the topic goes on behind what was handed on last. */
  #handed: readonly { readonly position: Position; readonly offset: number }[] = [];
  #committed = { offset: -1, atMs: -Infinity };
  #isChecked = false;
  #pagesRead = 0;

  /** Connects to nothing yet. */
  constructor(parts: RelayParts) {
    this.#parts = parts;
  }

  /** Undefined before the first step, and after a failed one. */
  get progress(): RelayProgress | undefined {
    const way = this.#way;
    if (!way) return undefined;
    const { position, relayed, end, offset, page, next } = way;
    return { position, relayed, unread: Math.max(0, end - offset) + page.length - next };
  }

  /** Rises with every read of the topic: a step that takes long is not a step that hangs. */
  get pagesRead(): number {
    return this.#pagesRead;
  }

  /**
   * The last position that the topic has, in the order of epochs.
   *
   * @throws {TopicAway | RangeError}
   */
  async tail(): Promise<Position> {
    const { topic, origin: { shard } } = this.#parts;
    await this.#prepare();
    const { last } = await this.#tail(await topic.bounds(shard));
    return last ?? start;
  }

  /** Everything up to `position` is applied: notes the place. That it could not be noted is no failure. */
  booked(position: Position): void {
    const { topic, origin, elapsedMs } = this.#parts;
    const place = this.#handed.find((handed) => comparePositions(handed.position, position) === 0);
    if (!place) return;
    const nowMs = elapsedMs();
    const everyMs = place.offset === this.#committed.offset ? keepEveryMs : commitEveryMs;
    if (nowMs - this.#committed.atMs < everyMs) return;
    this.#committed = { offset: place.offset, atMs: nowMs };
    topic.commit(origin.shard, place.offset, `${position.epoch}-${position.seq}`).catch(() => {});
  }

  /**
   * Relays what the stream has, at most `entriesMax`, and reads what the topic has after `after`.
   *
   * @returns entries that follow on `after`; others only if neither stream nor topic has those between
   * @throws {TopicAway | RangeError} and what reading the stream throws; the next call starts over
   */
  async step(after: Position, options: ReadOptions): Promise<LogEntry[]> {
    const known = this.#way;
    this.#way = undefined; // until this went well
    const goesOn = known !== undefined && comparePositions(known.position, after) === 0;
    const way = goesOn ? known : await this.#open(after);
    for (let round = 0; round < roundsMax; round++) {
      const hole = await this.#relay(way, options);
      const entries = hole ? [] : await this.#read(way, options.entriesMax);
      if (entries.length === 0 && await this.#again(way, hole !== undefined)) continue;
      if (hole) return hole;
      this.#way = way;
      this.#note(way);
      return entries;
    }
    throw new TopicAway(
      `Cannot go on behind ${after.epoch}-${after.seq} as the topic loses what it acknowledges`,
    );
  }

  /** For a new reader, and for one that is not where it was: others had the shard, or what it read was not applied. */
  async #open(after: Position): Promise<Way> {
    const { topic, origin: { shard } } = this.#parts;
    await this.#prepare();
    const [bounds, committed] = await Promise.all([topic.bounds(shard), topic.committed(shard)]);
    const { last: tail = start } = await this.#tail(bounds);
    // What the worker before this one relayed is in the topic already.
    const isShort = tail.seq < after.seq && tail.epoch <= after.epoch;
    const filled = isShort ? await fillTopic(this.#parts, tail, after, () => this.#pagesRead++) : tail;
    const relayed = comparePositions(filled, after) > 0 ? filled : after;
    // What filling appended is to be read: else it would look lost, and be relayed again.
    const { end } = isShort ? await topic.bounds(shard) : bounds;
    const offset = Math.min(Math.max(bounds.first, committed ?? bounds.first), end);
    const unread = { page: [], next: 0, offset, end, gapAt: undefined, asFound: false };
    return { position: after, relayed, ...unread, tail, starts: undefined };
  }

  async #prepare(): Promise<void> {
    const { topic, onCreated } = this.#parts;
    const { created } = await topic.prepare();
    if (created) onCreated();
  }

  /**
   * A record of another deployment is passed over, as anybody may write one. When a topic has no other records at its
   * end, the first time that it is read, it belongs to that deployment.
   */
  async #tail(bounds: TopicBounds): Promise<TopicTail> {
    const { topic, origin } = this.#parts;
    const tail = await readTail(topic, origin, bounds);
    this.#pagesRead++;
    if (!this.#isChecked && !tail.last && tail.foreign) throw tail.foreign;
    this.#isChecked = true;
    return tail;
  }

  /** What was handed on last is not followed by anything: looks for it in all that the topic has. */
  async #startOver(way: Way): Promise<void> {
    const { topic, origin } = this.#parts;
    const bounds = await topic.bounds(origin.shard);
    way.starts = await findEpochs(topic, origin, bounds, () => this.#pagesRead++);
    const relayed = comparePositions(way.tail, way.position) > 0 ? way.tail : way.position;
    const { first: offset, end } = bounds;
    Object.assign(way, { relayed, page: [], next: 0, offset, end, gapAt: undefined, asFound: false });
  }

  /** @returns what the stream has instead of what follows on the ledger: nothing can fill that hole */
  async #relay(way: Way, options: ReadOptions): Promise<LogEntry[] | undefined> {
    const { stream, origin, elapsedMs, onAppended } = this.#parts;
    const isUnread = way.next < way.page.length || way.offset < way.end;
    const waitMs = isUnread || way.gapAt !== undefined ? 0 : options.waitMs;
    const entries = await stream.read(origin.shard, way.relayed, { ...options, waitMs });
    const isAllHandedOn = !isUnread && comparePositions(way.relayed, way.position) === 0;
    const last = entries.at(-1);
    if (!last) {
      way.asFound = isAllHandedOn && way.gapAt !== undefined && way.starts !== undefined;
      return undefined;
    }
    if (firstSeq(entries[0]) > way.relayed.seq + 1) return isAllHandedOn ? entries : undefined;
    const startMs = elapsedMs();
    await appendEntries(this.#parts, entries);
    onAppended?.(entries, startMs, elapsedMs());
    way.relayed = last.position;
    way.end = Math.max(way.end, way.offset + 1); // how far it really goes, the next page says
    return undefined;
  }

  /** Reads until there is something to hand on, or to the end. */
  async #read(way: Way, entriesMax: number): Promise<LogEntry[]> {
    if (way.asFound && way.gapAt !== undefined) {
      Object.assign(way, { page: [], next: 0, offset: way.gapAt, end: Infinity });
    }
    const entries: LogEntry[] = [];
    while (entries.length < entriesMax) {
      const record = way.page[way.next];
      if (record) {
        way.next++;
        const entry = this.#following(way, record);
        if (entry) entries.push(entry);
      } else {
        if (entries.length > 0 || way.offset >= way.end) break;
        const { records, next, end } = await this.#parts.topic.read(this.#parts.origin.shard, way.offset);
        this.#pagesRead++;
        const isStuck = next === way.offset;
        Object.assign(way, { page: records, next: 0, offset: next, end });
        if (isStuck) break;
      }
    }
    return entries;
  }

  /** @returns the record's entry if it is the next to hand on */
  #following(way: Way, record: TopicRecord): LogEntry | undefined {
    const entry = this.#decode(record);
    if (!entry || comparePositions(entry.position, way.position) <= 0) return undefined;
    if (jumpFrom(entry) !== undefined || way.starts && isOver(entry, way.starts)) return undefined;
    if (firstSeq(entry) > way.position.seq + 1 && !way.asFound) {
      way.gapAt ??= record.offset;
      return undefined;
    }
    Object.assign(way, { position: entry.position, gapAt: undefined, asFound: false });
    if (comparePositions(way.relayed, way.position) < 0) way.relayed = way.position; // another relay's
    return entry;
  }

  /** At the end of the topic, with nothing to hand on: whether there is a reason to look once more. */
  async #again(way: Way, isHole: boolean): Promise<boolean> {
    if (comparePositions(way.relayed, way.position) > 0) {
      this.#parts.onGap(way.position);
      way.relayed = way.position;
      return true;
    }
    const isBehind = comparePositions(way.tail, way.position) > 0;
    if (way.starts === undefined && (isHole || isBehind || way.gapAt !== undefined)) {
      await this.#startOver(way);
      return true;
    }
    return !isHole && way.gapAt !== undefined;
  }

  #decode(record: TopicRecord): LogEntry | undefined {
    try {
      return decodeMessage(record, this.#parts.origin);
    } catch (error) {
      this.#parts.onUnreadable(record.offset, error);
      return undefined;
    }
  }

  #note({ position, page, next, offset }: Way): void {
    const others = this.#handed.filter((handed) => comparePositions(handed.position, position) !== 0);
    const place = { position, offset: page[next]?.offset ?? offset };
    this.#handed = [...others, place].slice(-handedMax);
  }
}
