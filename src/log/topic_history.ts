/**
 * Reads the history of a shard's partition: its last position, and where each epoch begins.
 *
 * @module
 */
import { comparePositions, type LogEntry, type Position } from "../domain/event.ts";
import { decodeMessage, ForeignMessage, jumpFrom, type MessageOrigin } from "./message.ts";
import type { Topic, TopicBounds, TopicRecord } from "./topic.ts";

/** The end of a partition. */
export interface TopicTail {
  /** The last position in the order of epochs; undefined when there is no record of this deployment. */
  readonly last: Position | undefined;
  /** The error of a record of another deployment, if there is one. */
  readonly foreign: ForeignMessage | undefined;
}

/** The number of the first event in the partition, by epoch. */
export type EpochStarts = ReadonlyMap<number, number>;

/** Relays that overlap repeat a few records, so the last record is not always the one with the highest position. */
const tailRecords = 32;
/** Factor by which more records are read while none belongs to this deployment. */
const tailGrowth = 10;

/** Reads the last records of a shard's partition until one of this deployment is found. */
export async function readTail(topic: Topic, origin: MessageOrigin, bounds: TopicBounds): Promise<TopicTail> {
  const { first, end } = bounds;
  for (let count = tailRecords;; count *= tailGrowth) {
    const from = Math.max(first, end - count);
    let last: Position | undefined;
    let foreign: ForeignMessage | undefined;
    await eachRecord(topic, origin.shard, { first: from, end }, (record) => {
      const read = tryDecode(record, origin);
      if (read instanceof ForeignMessage) foreign = read;
      if (read instanceof Error) return;
      if (!last || comparePositions(read.position, last) > 0) last = read.position;
    });
    if (last || from === first) return { last, foreign };
  }
}

/**
 * Reads a shard's whole partition and records where each epoch begins.
 *
 * @param onPage called after each page: reading a long partition takes seconds
 */
export async function findEpochs(
  topic: Topic,
  origin: MessageOrigin,
  bounds: TopicBounds,
  onPage: () => void,
): Promise<EpochStarts> {
  const starts = new Map<number, number>();
  let highest = 0;
  await eachRecord(topic, origin.shard, bounds, (record) => {
    const entry = tryDecode(record, origin);
    if (entry instanceof Error) return;
    const { epoch, seq } = entry.position;
    const jumped = jumpFrom(entry);
    // A jump has the last number that its relay saw; the topic may have more.
    const begins = jumped === undefined
      ? entry.events[0]?.seq ?? seq
      : Math.min(seq, Math.max(jumped, highest)) + 1;
    starts.set(epoch, Math.min(begins, starts.get(epoch) ?? begins));
    highest = Math.max(highest, seq);
  }, onPage);
  return starts;
}

/** Whether a later epoch begins at or before an entry, which was then appended by a relay of an earlier epoch. */
export function isOver({ position: { epoch, seq } }: LogEntry, starts: EpochStarts): boolean {
  for (const [later, begins] of starts) if (later > epoch && begins <= seq) return true;
  return false;
}

async function eachRecord(
  topic: Topic,
  shard: number,
  { first, end }: TopicBounds,
  onRecord: (record: TopicRecord) => void,
  onPage: () => void = () => {},
): Promise<void> {
  for (let offset = first; offset < end;) {
    const page = await topic.read(shard, offset);
    for (const record of page.records) if (record.offset < end) onRecord(record);
    onPage();
    if (page.next <= offset) return;
    offset = page.next;
  }
}

function tryDecode(record: TopicRecord, origin: MessageOrigin): LogEntry | Error {
  try {
    return decodeMessage(record, origin);
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}
