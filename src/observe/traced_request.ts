/**
 * What is noted of a request while it is on its way: references, and two readings of the clock.
 *
 * @module
 */
import type { Connection } from "../http/ports/route.ts";
import type { RequestRecord } from "../http/ports/observer.ts";
import type { CommandTimings } from "../decide/command_timings.ts";
import type { TraceContext } from "./trace_context.ts";

/** Numbers of the spans of a request's place: what it asks of the inventory, which goes into the log. */
export const operationSpan = 0;
/** See {@link operationSpan}: the request itself. */
export const requestSpan = 1;
/** See {@link operationSpan}: from here on, whatever else is made. */
export const firstFreeSpan = 2;

/** One request, see {@link RequestRecord}. */
export class TracedRequest implements RequestRecord {
  route = "";
  /** When its answer was about to be sent; 0 = not yet. */
  endMs = 0;
  /** HTTP status of the answer. */
  status = 0;
  /** The first command that it led to, which is the only one but for batches. */
  timings: CommandTimings | undefined;
  /** All others. */
  others: CommandTimings[] | undefined;
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

  note(timings: CommandTimings): void {
    if (this.timings === undefined) this.timings = timings;
    else (this.others ??= []).push(timings);
  }

  turnAway(code: string): void {
    (this.turnedAway ??= []).push(code);
  }

  /** Every command that it led to. */
  get timingsOfAll(): readonly CommandTimings[] {
    return this.timings === undefined ? [] : [this.timings, ...this.others ?? []];
  }

  /** Whether something of it was an error of ours. */
  get failed(): boolean {
    if (this.status >= 500) return true;
    return this.others !== undefined && this.timingsOfAll.some(({ failed }) => failed);
  }
}
