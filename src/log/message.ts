/**
 * The public schema of the topic: an entry of the log as JSON, described in `docs/events.md`.
 *
 * Within a schema version, members may be added; none is removed or changes its meaning. Empty members are left out, so an
 * event is short: some 60 bytes of a compressed batch, and 2 to 4 µs each to write and to read.
 *
 * @module
 */
import type {
  EventData,
  EventLine,
  InventoryEvent,
  LogEntry,
  Position,
  StoredPolicy,
} from "../domain/event.ts";

/** The version of the topic's messages. */
export const messageSchema = "1";

/** Kind of the only event that the relay writes, not the store. */
const jumpKind = "jump";

/** A message without its offset in the topic. */
export interface TopicMessage {
  /** `<epoch>-<seq>` of its last event. */
  readonly key: string;
  /** JSON. */
  readonly value: string;
  /** `schema`, `deployment`, and `traceparent` when all of its events belong to one request. */
  readonly headers: Readonly<Record<string, string>>;
}

/** The log to which messages belong. */
export interface MessageOrigin {
  /** Shard, which is also the partition. */
  readonly shard: number;
  /** Id of the deployment: two of them must not share a topic. */
  readonly deployment: string;
}

interface LineBody {
  readonly sku: string;
  readonly delta: number;
  readonly reserved_delta: number;
  readonly available: number;
  readonly reserved: number;
}

interface EventBody {
  readonly seq: number;
  readonly kind: string;
  readonly id?: string;
  readonly user_id?: string;
  readonly actor?: string;
  readonly traceparent?: string;
  readonly reason?: string;
  readonly reference?: string;
  readonly expires_at_ms?: number;
  readonly hold_ms?: number;
  readonly from_seq?: number;
  readonly policy?: StoredPolicy;
  readonly lines: readonly LineBody[];
}

interface MessageBody {
  readonly shard: number;
  readonly epoch: number;
  readonly at_ms: number;
  readonly events: readonly EventBody[];
}

/** Another deployment wrote a message, or it is in the wrong partition. */
export class ForeignMessage extends RangeError {
  /** What logs show; callers test with `instanceof`. */
  override name = "ForeignMessage";
}

/**
 * Encodes a jump: the numbers after `from`, up to `to.seq`, are missing from the topic for good. Readers of the topic need
 * it; the ledger has the same in `log_jumps` when the numbers are lost.
 */
export function encodeJump(from: number, to: Position, origin: MessageOrigin, atMs: number): TopicMessage {
  const event = { seq: to.seq, kind: jumpKind, from_seq: from, lines: [] };
  return {
    key: `${to.epoch}-${to.seq}`,
    value: JSON.stringify({ shard: origin.shard, epoch: to.epoch, at_ms: atMs, events: [event] }),
    headers: headersOf(origin),
  };
}

/** The last number before a jump; undefined for any other entry. */
export function jumpFrom({ events: [first] }: LogEntry): number | undefined {
  return first?.kind === jumpKind ? first.data.from ?? first.seq - 1 : undefined;
}

/** A message, and the entry that it decodes to. */
export interface EncodedEntry {
  /** What a topic gets. */
  readonly message: TopicMessage;
  /** Its events. */
  readonly entry: LogEntry;
}

/**
 * Encodes an entry as one message, or as several of at most `charsMax` characters of JSON, because a topic limits the size
 * of messages. An event is never split: a longer one is a message of its own.
 */
export function encodeEntry(entry: LogEntry, origin: MessageOrigin, charsMax: number): EncodedEntry[] {
  const value = JSON.stringify(bodyOf(entry, origin.shard));
  const middle = entry.events.length >> 1;
  if (value.length > charsMax && middle > 0) {
    const { position: { epoch, seq }, events } = entry;
    const firstHalf = { epoch, seq: seq - (events.length - middle) };
    return [
      ...encodeEntry({ position: firstHalf, events: events.slice(0, middle) }, origin, charsMax),
      ...encodeEntry({ position: entry.position, events: events.slice(middle) }, origin, charsMax),
    ];
  }
  const headers = headersOf(origin);
  const traceparent = entry.events[0]?.traceparent;
  if (traceparent && entry.events.every((event) => event.traceparent === traceparent)) {
    headers.traceparent = traceparent;
  }
  return [{ message: { key: `${entry.position.epoch}-${entry.position.seq}`, value, headers }, entry }];
}

/** The messages of {@link encodeEntry}. */
export function encodeMessages(entry: LogEntry, origin: MessageOrigin, charsMax: number): TopicMessage[] {
  return encodeEntry(entry, origin, charsMax).map(({ message }) => message);
}

/**
 * Decodes a message.
 *
 * @throws {SyntaxError | TypeError} when it is not of this schema
 * @throws {ForeignMessage} when another deployment wrote it, or it is in the wrong partition
 */
export function decodeMessage(message: TopicMessage, origin: MessageOrigin): LogEntry {
  const { key, value, headers: { schema, deployment } } = message;
  if (schema !== messageSchema) {
    throw new TypeError(`Cannot read message ${key} as its schema is '${schema}', not '${messageSchema}'`);
  }
  if (deployment !== origin.deployment) {
    throw new ForeignMessage(
      `Cannot read message ${key} as another deployment wrote it: ${deployment} there, ${origin.deployment} here`,
    );
  }
  const { shard, epoch, at_ms: atMs, events } = JSON.parse(value) as MessageBody;
  const last = events?.at(-1)?.seq;
  if (!Number.isSafeInteger(epoch) || !Number.isSafeInteger(atMs) || !Number.isSafeInteger(last)) {
    throw new TypeError(`Cannot read message ${key} as its epoch, its time or its events are missing`);
  }
  if (shard !== origin.shard) {
    throw new ForeignMessage(`Cannot read message ${key} as it is of shard ${shard}, not ${origin.shard}`);
  }
  return { position: { epoch, seq: last ?? 0 }, events: events.map((event) => eventOf(event, atMs)) };
}

function headersOf({ deployment }: MessageOrigin): Record<string, string> {
  return { schema: messageSchema, deployment };
}

function bodyOf({ position: { epoch }, events }: LogEntry, shard: number): MessageBody {
  return { shard, epoch, at_ms: events[0]?.atMs ?? 0, events: events.map(eventBody) };
}

/** Assigned one by one: an object of conditional spreads takes twice as long. */
function eventBody(event: InventoryEvent): EventBody {
  const { seq, kind, id, userId, actor, traceparent, reason, reference, data, lines } = event;
  const body: { -readonly [Name in keyof EventBody]?: EventBody[Name] } = { seq, kind };
  if (id) body.id = id;
  if (userId) body.user_id = userId;
  if (actor) body.actor = actor;
  if (traceparent) body.traceparent = traceparent;
  if (reason) body.reason = reason;
  if (reference) body.reference = reference;
  if (data.expires !== undefined) body.expires_at_ms = data.expires;
  if (data.hold !== undefined) body.hold_ms = data.hold;
  if (data.policy) body.policy = data.policy;
  body.lines = lines.map(lineBody);
  return body as EventBody;
}

function lineBody({ sku, delta, reservedDelta, available, reserved }: EventLine): LineBody {
  return { sku, delta, reserved_delta: reservedDelta, available, reserved };
}

function eventOf(body: EventBody, atMs: number): InventoryEvent {
  if (typeof body.kind !== "string" || !Number.isSafeInteger(body.seq) || !Array.isArray(body.lines)) {
    throw new TypeError(`Cannot read event ${body.seq} as its number, kind or lines are missing`);
  }
  const data: EventData = {
    ...(body.expires_at_ms !== undefined && { expires: body.expires_at_ms }),
    ...(body.hold_ms !== undefined && { hold: body.hold_ms }),
    ...(body.from_seq !== undefined && { from: body.from_seq }),
    ...(body.policy && { policy: body.policy }),
  };
  return {
    seq: body.seq,
    kind: body.kind,
    id: body.id ?? "",
    userId: body.user_id ?? "",
    actor: body.actor ?? "",
    traceparent: body.traceparent ?? "",
    reason: body.reason ?? "",
    reference: body.reference ?? "",
    data,
    atMs,
    lines: body.lines.map((line) => ({
      sku: line.sku,
      delta: line.delta,
      reservedDelta: line.reserved_delta,
      available: line.available,
      reserved: line.reserved,
    })),
  };
}
