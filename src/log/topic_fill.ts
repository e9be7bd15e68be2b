/**
 * Brings a topic that ends before the ledger up to them: after a while without Kafka, after numbers were lost with a
 * store, and for a topic that was made anew.
 *
 * @module
 */
import type { LogEntry, Position } from "../domain/event.ts";
import type { EventLog } from "./event_log.ts";
import { encodeJump, encodeMessages, type MessageOrigin } from "./message.ts";
import type { Topic } from "./topic.ts";

/** What filling works between. */
export interface FillParts {
  /** What the store wrote. */
  readonly stream: EventLog;
  /** What is filled. */
  readonly topic: Topic;
  /** Whose log it is. */
  readonly origin: MessageOrigin;
  /** The time, ms since 1970: a jump has no store's. */
  readonly now: () => number;
  /** The numbers after `from`, up to `to`, do not come into the topic: it was told so. */
  readonly onJump: (from: number, to: number) => void;
}

/** Characters of JSON a message: four of them fit into a batch as Kafka bounds it by default. */
const messageCharsMax = 200_000;
/** Entries of the stream in one read. */
const entriesMax = 64;
const neverAborted = new AbortController().signal; // these reads do not wait

/** Appends entries of the stream. */
export async function appendEntries(
  { topic, origin }: Pick<FillParts, "topic" | "origin">,
  entries: readonly LogEntry[],
): Promise<void> {
  await topic.append(
    origin.shard,
    entries.flatMap((entry) => encodeMessages(entry, origin, messageCharsMax)),
  );
}

/**
 * Appends what the stream has between the topic's end and the ledger, and a jump for what it has not.
 *
 * @param onStep called after each append: 10,000 events take a second
 * @returns where the topic ends now
 */
export async function fillTopic(
  parts: FillParts,
  tail: Position,
  books: Position,
  onStep: () => void,
): Promise<Position> {
  const { stream, topic, origin, now, onJump } = parts;
  let filled = tail;
  while (filled.seq < books.seq) {
    const options = { entriesMax, waitMs: 0, signal: neverAborted };
    const entries = await stream.read(origin.shard, filled, options);
    const [first, last] = [entries[0], entries.at(-1)];
    if (last && firstSeq(first) <= filled.seq + 1) {
      await appendEntries(parts, entries);
      filled = last.position;
    } else {
      const seq = first ? Math.min(firstSeq(first) - 1, books.seq) : books.seq;
      const epoch = first && seq < books.seq ? first.position.epoch : books.epoch;
      await topic.append(origin.shard, [encodeJump(filled.seq, { epoch, seq }, origin, now())]);
      onJump(filled.seq, seq);
      filled = { epoch, seq };
    }
    onStep();
  }
  return filled;
}

/** Number of an entry's first event; 0 of none. */
export function firstSeq(entry: LogEntry | undefined): number {
  return entry?.events[0]?.seq ?? 0;
}
