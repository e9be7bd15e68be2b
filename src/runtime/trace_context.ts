/**
 * Where in which trace something happens (W3C Trace Context). `src/observe/trace_context.ts` makes these.
 *
 * @module
 */

/** A position in a trace. Spans that happen here have consecutive ids, so that only the first is made. */
export interface TraceContext {
  /** W3C `traceparent` of the first span: goes into the log. */
  readonly traceparent: string;
  /** The caller's span; empty when the trace begins here. */
  readonly parentSpanId: string;
  /** Whether it is exported whatever happens. */
  readonly sampled: boolean;
  /** Its id's last 8 digits as a number: those of the others follow. */
  readonly idLow: number;
}
