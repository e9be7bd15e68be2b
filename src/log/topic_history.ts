/**
 * What a shard's partition says of the past: how far it goes, and where each epoch begins in it. Nothing is handed on.
 *
 * @module
 */
import { comparePositions, type LogEntry, type Position } from "../domain/event.ts";
import { decodeMessage, ForeignMessage, jumpFrom, type MessageOrigin } from "./message.ts";
import type { Topic, TopicBounds, TopicRecord } from "./topic.ts";

/** The end of a partition. */
export interface TopicTail {
  /** The last position in the order of epochs; undefined when no record of this deployment was found. */
  readonly last: Position | undefined;
  /** Why a record of another deployment cannot be read, when there is one. */
  readonly foreign: ForeignMessage | undefined;
}

/** Where epochs begin in a partition that was read whole: by epoch, the number of its first event. */
export type EpochStarts = ReadonlyMap<number, number>;

/** Relays that overlap repeat a few records, so the last record is not always the one with the highest position. */
const tailRecords = 32;
/** When none of them is this deployment's, so many times as many are read. */
const tailGrowth = 10;

/** Reads the last records of a shard's partition, as many as it takes to find one of this deployment. */
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
 * Reads a shard's whole partition and notes where each epoch begins.
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
    // A jump says which number it saw last; the topic may have had more.
    const begins = jumped === undefined
      ? entry.events[0]?.seq ?? seq
      : Math.min(seq, Math.max(jumped, highest)) + 1;
    starts.set(epoch, Math.min(begins, starts.get(epoch) ?? begins));
    highest = Math.max(highest, seq);
  }, onPage);
  return starts;
}

/** Whether a later epoch begins at or before an entry: it was appended by a relay that was left behind. */
export function isOver({ position: { epoch, seq } }: LogEntry, starts: EpochStarts): boolean {
  for (const [later, begins] of starts) if (later > epoch && begins <= seq) return true;
  return false;
}

async function eachRecord(
  topic: Topic,
  shard: number,
  { first, end }: TopicBounds,
  visit: (record: TopicRecord) => void,
  onPage: () => void = () => {},
): Promise<void> {
  for (let offset = first; offset < end;) {
    const page = await topic.read(shard, offset);
    for (const record of page.records) if (record.offset < end) visit(record);
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
