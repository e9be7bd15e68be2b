/**
 * What is noted of a request while it is on its way: references, and two readings of the clock.
 *
 * @module
 */
import type { Connection } from "../http/ports/route.ts";
import type { Journey } from "../http/ports/observer.ts";
import type { Passage } from "../decide/command_timings.ts";
import type { TraceContext } from "./trace_context.ts";

/** Numbers of the spans of a request's place: what it asks of the inventory, which goes into the log. */
export const operationSpan = 0;
/** See {@link operationSpan}: the request itself. */
export const requestSpan = 1;
/** See {@link operationSpan}: from here on, whatever else is made. */
export const firstFreeSpan = 2;

/** One request, see {@link Journey}. */
export class RequestJourney implements Journey {
  route = "";
  /** When its answer was about to be sent; 0 = not yet. */
  endMs = 0;
  /** HTTP status of the answer. */
  status = 0;
  /** The first command that it led to, which is the only one but for batches. */
  passage: Passage | undefined;
  /** All others. */
  others: Passage[] | undefined;
  /** Why sales of it were turned away. */
  turnedAway: string[] | undefined;
  /** Begins. */
  constructor(
    readonly request: Request,
    readonly connection: Connection,
    readonly place: TraceContext,
    readonly startMs: number,
  ) {}

  get traceparent(): string {
    return this.place.traceparent;
  }

  note(passage: Passage): void {
    if (this.passage === undefined) this.passage = passage;
    else (this.others ??= []).push(passage);
  }

  turnAway(code: string): void {
    (this.turnedAway ??= []).push(code);
  }

  /** Every command that it led to. */
  get passages(): readonly Passage[] {
    return this.passage === undefined ? [] : [this.passage, ...this.others ?? []];
  }

  /** Whether something of it was an error of ours. */
  get failed(): boolean {
    if (this.status >= 500) return true;
    return this.others !== undefined && this.passages.some(({ failed }) => failed);
  }
}
