/**
 * Spans as values, and the port to their receiver. They are made after the work is done, from recorded times, and only
 * for requests that are exported.
 *
 * @module
 */

export type Attributes = Readonly<Record<string, string | number | boolean | string[] | undefined>>;

/** A span of any trace. */
export interface SpanRef {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** 16 hexadecimal digits. */
  readonly spanId: string;
  /** Whether its trace is sampled. */
  readonly sampled: boolean;
}

/** One span, complete. */
export interface SpanData {
  readonly name: string;
  readonly kind: "server" | "client" | "producer" | "consumer" | "internal";
  /** 16 hexadecimal digits. */
  readonly spanId: string;
  /** Id of the parent; empty for the first span of a trace. */
  readonly parentSpanId: string;
  /** Start and end, {@link World.elapsedMs}. */
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

/** This process' part of a trace: the first span is the root, parents are before their children. */
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

/** Receiver of spans. It must not block. */
export interface SpanSink {
  /** Takes this process' part of a trace. */
  take(trace: LocalTrace): void;
  /** A trace could not be made. */
  broken(error: unknown): void;
}

/** Makes a trace and passes it on. An accepted order must not fail because its trace cannot be made. */
export function keep(sink: SpanSink, make: () => LocalTrace): void {
  try {
    sink.take(make());
  } catch (error) {
    sink.broken(error);
  }
}
