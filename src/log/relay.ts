/**
 * The relay of one shard, from the stream through the topic to the ledger:
 *
 *     stream ──▶ relayed ── append ──▶ topic ──▶ offset ──▶ position ──▶ ledger
 *
 * One rule repairs every failure in between: a message that was acknowledged and never written, and a topic that was
 * truncated, created again, or deleted records before they were read:
 *
 *   When the topic is read to its end and lacks relayed entries, they are relayed again from `position`, the ledger's
 *   cursor. Duplicates are skipped by their number.
 *
 * Records after a gap are skipped; they are appended again after the missing ones. When the stream cannot fill the gap,
 * the topic is read from its start: it may have the entries that a ledger restored from an older copy lacks. If that fails
 * too, the entries after the gap are returned, so that the ledger reports the gap and the worker acts on it.
 *
 * A topic that ends before `position` when it is opened is filled from the stream. The numbers that the stream no longer
 * has are replaced by a jump: a message that names the missing numbers. Readers of the topic have no other way to know.
 *
 * Two concurrent relays are harmless: both copy the same log, in order. So is the relay of an earlier epoch: its records are
 * before `position`, in the order of epochs.
 *
 * @module
 */
import { comparePositions, type LogEntry, type Position } from "../domain/event.ts";
import type { ReadOptions } from "./event_log.ts";
import { decodeMessage, jumpFrom } from "./message.ts";
import { OwnMessages } from "./own_messages.ts";
import { TopicAway, type TopicBounds, type TopicRecord } from "./topic.ts";
import { appendEntries, type FillParts, fillTopic, firstSeq } from "./topic_fill.ts";
import { type EpochStarts, findEpochs, isOver, readTail, type TopicTail } from "./topic_history.ts";

export interface RelayParts extends FillParts {
  /** Monotonic ms. */
  readonly elapsedMs: () => number;
  /** Entries were appended to the topic, between two readings of {@link RelayParts.elapsedMs}. */
  readonly onAppended?: (entries: readonly LogEntry[], startMs: number, endMs: number) => void;
  /** The topic was missing and has been created. */
  readonly onCreated: () => void;
  /** The topic lacks the entries after `after`: they are relayed again. */
  readonly onGap: (after: Position) => void;
  /** A record of another deployment or schema was skipped. */
  readonly onUnreadable: (offset: number, error: unknown) => void;
}

export interface RelayProgress {
  /** Last event that was returned for the ledger. */
  readonly position: Position;
  /** Last event that was appended to the topic. */
  readonly relayed: Position;
  /** Records of the topic that are still to be read: Kafka's own lag. */
  readonly unread: number;
}

interface RelayState {
  position: Position;
  relayed: Position;
  /** Fetched records, and the index of the next: a read is limited by entries. */
  page: readonly TopicRecord[];
  next: number;
  /** The next offset to fetch, and the last known end of the topic. */
  offset: number;
  end: number;
  /** Offset of the first record after a gap behind `position`. */
  gapAt: number | undefined;
  /** The gap cannot be filled: the next record is returned as it is. */
  asFound: boolean;
  /** Last position in the topic when it was opened. */
  readonly tail: Position;
  /** Where epochs begin; undefined until the topic was read from its start. */
  starts: EpochStarts | undefined;
}

const start: Position = { epoch: 0, seq: 0 };

/** The committed offset is for displays of lag and as a starting point; a worker that takes over skips duplicates. */
const commitEveryMs = 1000;
/** Kafka deletes an offset that was not committed for a week. */
const recommitEveryMs = 3_600_000;
/** The batch in the ledger, and the one that is being applied. */
const handedMax = 2;
/** So many losses in a row are a fault of the topic; reading from the start takes 2 rounds. */
const roundsMax = 6;

/** See the head of this file. Calls must not overlap. */
export class Relay {
  readonly #parts: RelayParts;
  #state: RelayState | undefined;
  /** Offsets at which the topic continues after the last returned positions. */
  #handed: readonly { readonly position: Position; readonly offset: number }[] = [];
  #committed = { offset: -1, atMs: -Infinity };
  readonly #own = new OwnMessages();
  #isChecked = false;
  #pagesRead = 0;

  constructor(parts: RelayParts) {
    this.#parts = parts;
  }

  /** Undefined before the first step and after a failed one. */
  get progress(): RelayProgress | undefined {
    const state = this.#state;
    if (!state) return undefined;
    const { position, relayed, end, offset, page, next } = state;
    return { position, relayed, unread: Math.max(0, end - offset) + page.length - next };
  }

  /** Increases with every read of the topic, which distinguishes a long step from one that hangs. */
  get pagesRead(): number {
    return this.#pagesRead;
  }

  /**
   * The last position in the topic, in the order of epochs.
   *
   * @throws {TopicAway | RangeError}
   */
  async tail(): Promise<Position> {
    const { topic, origin: { shard } } = this.#parts;
    await this.#prepare();
    const { last } = await this.#tail(await topic.bounds(shard));
    return last ?? start;
  }

  /** Everything up to `position` is applied: commits the offset. A failed commit is ignored. */
  applied(position: Position): void {
    const { topic, origin, elapsedMs } = this.#parts;
    const handed = this.#handed.find((handed) => comparePositions(handed.position, position) === 0);
    if (!handed) return;
    const nowMs = elapsedMs();
    const everyMs = handed.offset === this.#committed.offset ? recommitEveryMs : commitEveryMs;
    if (nowMs - this.#committed.atMs < everyMs) return;
    this.#committed = { offset: handed.offset, atMs: nowMs };
    topic.commit(origin.shard, handed.offset, `${position.epoch}-${position.seq}`).catch(() => {});
  }

  /**
   * Relays at most `entriesMax` entries of the stream, and reads the topic after `after`.
   *
   * @returns entries that follow `after` without a gap; with a gap only if neither stream nor topic can fill it
   * @throws {TopicAway | RangeError} and what reading the stream throws; the next call starts over
   */
  async step(after: Position, options: ReadOptions): Promise<LogEntry[]> {
    const known = this.#state;
    this.#state = undefined; // until this call succeeds
    const continues = known !== undefined && comparePositions(known.position, after) === 0;
    const state = continues ? known : await this.#open(after);
    for (let round = 0; round < roundsMax; round++) {
      const gapEntries = await this.#relay(state, options);
      const entries = gapEntries ? [] : await this.#read(state, options.entriesMax);
      if (entries.length === 0 && await this.#again(state, gapEntries !== undefined)) continue;
      if (gapEntries) return gapEntries;
      this.#state = state;
      this.#setHanded(state);
      return entries;
    }
    throw new TopicAway(
      `Cannot continue after ${after.epoch}-${after.seq} as the topic loses acknowledged messages`,
    );
  }

  /** For a new reader, and one that moved: another worker had the shard, or the last read was not applied. */
  async #open(after: Position): Promise<RelayState> {
    const { topic, origin: { shard } } = this.#parts;
    this.#own.clear();
    await this.#prepare();
    const [bounds, committed] = await Promise.all([topic.bounds(shard), topic.committed(shard)]);
    const { last: tail = start } = await this.#tail(bounds);
    // The topic already has the entries that the previous worker relayed.
    const isShort = tail.seq < after.seq && tail.epoch <= after.epoch;
    const filled = isShort ? await fillTopic(this.#parts, tail, after, () => this.#pagesRead++) : tail;
    const relayed = comparePositions(filled, after) > 0 ? filled : after;
    // Includes the entries that filling appended; otherwise they would look lost and be relayed again.
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
   * A record of another deployment is skipped, as any client may write one. A topic that has only such records at its end
   * when it is first read belongs to that deployment.
   */
  async #tail(bounds: TopicBounds): Promise<TopicTail> {
    const { topic, origin } = this.#parts;
    const tail = await readTail(topic, origin, bounds);
    this.#pagesRead++;
    if (!this.#isChecked && !tail.last && tail.foreign) throw tail.foreign;
    this.#isChecked = true;
    return tail;
  }

  /** Nothing follows the last returned entry: searches the whole topic for it. */
  async #startOver(state: RelayState): Promise<void> {
    const { topic, origin } = this.#parts;
    const bounds = await topic.bounds(origin.shard);
    state.starts = await findEpochs(topic, origin, bounds, () => this.#pagesRead++);
    const relayed = comparePositions(state.tail, state.position) > 0 ? state.tail : state.position;
    const { first: offset, end } = bounds;
    Object.assign(state, { relayed, page: [], next: 0, offset, end, gapAt: undefined, asFound: false });
  }

  /** @returns the stream's entries after a gap that nothing can fill */
  async #relay(state: RelayState, options: ReadOptions): Promise<LogEntry[] | undefined> {
    const { stream, origin, elapsedMs, onAppended } = this.#parts;
    const isUnread = state.next < state.page.length || state.offset < state.end;
    const waitMs = isUnread || state.gapAt !== undefined ? 0 : options.waitMs;
    const entries = await stream.read(origin.shard, state.relayed, { ...options, waitMs });
    const isAllHandedOn = !isUnread && comparePositions(state.relayed, state.position) === 0;
    const last = entries.at(-1);
    if (!last) {
      state.asFound = isAllHandedOn && state.gapAt !== undefined && state.starts !== undefined;
      return undefined;
    }
    if (firstSeq(entries[0]) > state.relayed.seq + 1) return isAllHandedOn ? entries : undefined;
    const startMs = elapsedMs();
    this.#own.remember(await appendEntries(this.#parts, entries));
    onAppended?.(entries, startMs, elapsedMs());
    state.relayed = last.position;
    state.end = Math.max(state.end, state.offset + 1); // the next page has the real end
    return undefined;
  }

  /** Reads until there are entries to return, or to the end. */
  async #read(state: RelayState, entriesMax: number): Promise<LogEntry[]> {
    if (state.asFound && state.gapAt !== undefined) {
      Object.assign(state, { page: [], next: 0, offset: state.gapAt, end: Infinity });
    }
    const entries: LogEntry[] = [];
    while (entries.length < entriesMax) {
      const record = state.page[state.next];
      if (record) {
        state.next++;
        const entry = this.#following(state, record);
        if (entry) entries.push(entry);
      } else {
        if (entries.length > 0 || state.offset >= state.end) break;
        const { records, next, end } = await this.#parts.topic.read(this.#parts.origin.shard, state.offset);
        this.#pagesRead++;
        const isStuck = next === state.offset;
        Object.assign(state, { page: records, next: 0, offset: next, end });
        if (isStuck) break;
      }
    }
    return entries;
  }

  /** @returns the record's entry if it is the next to return */
  #following(state: RelayState, record: TopicRecord): LogEntry | undefined {
    const entry = this.#decode(record);
    if (!entry || comparePositions(entry.position, state.position) <= 0) return undefined;
    if (jumpFrom(entry) !== undefined || state.starts && isOver(entry, state.starts)) return undefined;
    if (firstSeq(entry) > state.position.seq + 1 && !state.asFound) {
      state.gapAt ??= record.offset;
      return undefined;
    }
    Object.assign(state, { position: entry.position, gapAt: undefined, asFound: false });
    this.#own.forget(record.key);
    if (comparePositions(state.relayed, state.position) < 0) state.relayed = state.position; // another relay's
    return entry;
  }

  /** At the end of the topic, with nothing to return: whether to read again. */
  async #again(state: RelayState, isGap: boolean): Promise<boolean> {
    if (comparePositions(state.relayed, state.position) > 0) {
      this.#parts.onGap(state.position);
      state.relayed = state.position;
      return true;
    }
    const isBehind = comparePositions(state.tail, state.position) > 0;
    if (state.starts === undefined && (isGap || isBehind || state.gapAt !== undefined)) {
      await this.#startOver(state);
      return true;
    }
    return !isGap && state.gapAt !== undefined;
  }

  #decode(record: TopicRecord): LogEntry | undefined {
    try {
      return this.#own.entryOf(record) ?? decodeMessage(record, this.#parts.origin);
    } catch (error) {
      this.#parts.onUnreadable(record.offset, error);
      return undefined;
    }
  }

  #setHanded({ position, page, next, offset }: RelayState): void {
    const others = this.#handed.filter((handed) => comparePositions(handed.position, position) !== 0);
    const handed = { position, offset: page[next]?.offset ?? offset };
    this.#handed = [...others, handed].slice(-handedMax);
  }
}
