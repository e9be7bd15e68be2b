/**
 * Spans as values, and the port to their receiver. They are made after the work is done, from recorded times, and only
 * for requests that are exported.
 *
 * @module
 */

/** What a span says beside its name. */
export type Attributes = Readonly<Record<string, string | number | boolean | string[] | undefined>>;

/** Another span, in whatever trace. */
export interface SpanRef {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** 16 hexadecimal digits. */
  readonly spanId: string;
  /** Whether its trace was kept from the start. */
  readonly sampled: boolean;
}

/** One span, complete. */
export interface SpanData {
  /** What was done. */
  readonly name: string;
  /** Its part in a conversation between processes. */
  readonly kind: "server" | "client" | "producer" | "consumer" | "internal";
  /** 16 hexadecimal digits. */
  readonly spanId: string;
  /** Of the span that it is part of; empty for the first of a trace. */
  readonly parentSpanId: string;
  /** When it began and ended, {@link World.elapsedMs}. */
  readonly startMs: number;
  /** Not before `startMs`. */
  readonly endMs: number;
  /** Values that are undefined are left out. */
  readonly attributes: Attributes;
  /** The error as text; empty when there is none. */
  readonly error: string;
  /** Spans that led to this one. */
  readonly links?: readonly SpanRef[];
}

/** The part of one trace that happened here: the first span is the root, parents come before their children. */
export interface LocalTrace {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** The header `tracestate` of the caller; empty without one. */
  readonly tracestate: string;
  /** Whether the root's parent is in another process. */
  readonly hasRemoteParent: boolean;
  /** At least one. */
  readonly spans: readonly SpanData[];
}

/** Takes spans. It must not wait: buyers do. */
export interface SpanSink {
  /** Takes all spans of a trace that happened here. */
  take(trace: LocalTrace): void;
  /** Told that a trace could not be made. */
  broken(error: unknown): void;
}

/** Makes a trace and hands it on. An order that was accepted must not fail because its trace cannot be made. */
export function keep(sink: SpanSink, make: () => LocalTrace): void {
  try {
    sink.take(make());
  } catch (error) {
    sink.broken(error);
  }
}
