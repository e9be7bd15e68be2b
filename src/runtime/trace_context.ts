/**
 * Where in which trace something happens (W3C Trace Context). `src/observe/trace_context.ts` makes these.
 *
 * @module
 */

/** A position in a trace. Its spans have consecutive ids, so that only the first is generated. */
export interface TraceContext {
  /** W3C `traceparent` of the first span. */
  readonly traceparent: string;
  /** The caller's span; empty when the trace begins here. */
  readonly parentSpanId: string;
  /** Whether it is exported in any case. */
  readonly sampled: boolean;
  /** The last 8 digits of its id as a number; the other ids follow. */
  readonly idLow: number;
}
