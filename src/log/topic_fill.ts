/**
 * Fills a topic that ends before the ledger's cursor: after a time without Kafka, after a store lost numbers, and after the
 * topic was created again.
 *
 * @module
 */
import type { LogEntry, Position } from "../domain/event.ts";
import type { EventLog } from "./event_log.ts";
import { type EncodedEntry, encodeEntry, encodeJump, type MessageOrigin } from "./message.ts";
import type { Topic } from "./topic.ts";

export interface FillParts {
  readonly stream: EventLog;
  readonly topic: Topic;
  readonly origin: MessageOrigin;
  /** The time of jumps, ms since 1970. */
  readonly now: () => number;
  /** A jump was appended: the numbers after `from`, up to `to`, are missing from the topic. */
  readonly onJump: (from: number, to: number) => void;
}

/** Maximum length of a message: four fit into a batch of Kafka's default size. */
const messageCharsMax = 200_000;
const entriesMax = 64;
const neverAborted = new AbortController().signal; // these reads do not wait

export async function appendEntries(
  { topic, origin }: Pick<FillParts, "topic" | "origin">,
  entries: readonly LogEntry[],
): Promise<EncodedEntry[]> {
  const encoded = entries.flatMap((entry) => encodeEntry(entry, origin, messageCharsMax));
  await topic.append(origin.shard, encoded.map(({ message }) => message));
  return encoded;
}

/**
 * Appends the stream's entries between the topic's end and the ledger's cursor, and a jump for the missing ones.
 *
 * @param onStep called after each append: 10,000 events take a second
 * @returns the topic's new end
 */
export async function fillTopic(
  parts: FillParts,
  tail: Position,
  cursor: Position,
  onStep: () => void,
): Promise<Position> {
  const { stream, topic, origin, now, onJump } = parts;
  let filled = tail;
  while (filled.seq < cursor.seq) {
    const options = { entriesMax, waitMs: 0, signal: neverAborted };
    const entries = await stream.read(origin.shard, filled, options);
    const [first, last] = [entries[0], entries.at(-1)];
    if (last && firstSeq(first) <= filled.seq + 1) {
      await appendEntries(parts, entries);
      filled = last.position;
    } else {
      const seq = first ? Math.min(firstSeq(first) - 1, cursor.seq) : cursor.seq;
      const epoch = first && seq < cursor.seq ? first.position.epoch : cursor.epoch;
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
