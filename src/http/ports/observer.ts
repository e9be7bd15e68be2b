/**
 * The port to observers of requests, and the record that they share: one a request, made only while there is one.
 *
 * @module
 */
import type { Command } from "../../domain/command.ts";
import type { Outcome } from "../../domain/outcome.ts";
import { CommandTimings } from "../../decide/command_timings.ts";
import type { Inventory } from "../../decide/service.ts";
import type { TraceContext } from "../../runtime/trace_context.ts";
import type { Connection } from "./route.ts";
import type { Answer } from "../write/response.ts";

/** One request: references and clock readings. The routes get it as their connection. */
export class RequestRecord implements Connection {
  /** Its position in a trace; null when no observer traces. */
  trace: TraceContext | null = null;
  /** `<method> <path as the router has it>`; empty until a route was found. */
  route = "";
  /** Every command that it led to; only a batch has several. */
  readonly timings: CommandTimings[] = [];
  /** Codes of sales that were refused before the inventory was asked. */
  readonly turnedAway: string[] = [];
  /** When its answer was about to be sent, monotonic, ms; 0 = not yet. */
  endMs = 0;
  /** HTTP status of the answer; 0 = none yet. */
  status = 0;

  /**
   * A request came.
   *
   * @param callerTraceparent of the caller's span; empty without one
   * @param startMs when it came, monotonic, ms
   */
  constructor(
    readonly request: Request,
    readonly connection: Connection,
    readonly callerTraceparent: string,
    readonly startMs: number,
  ) {}

  /** W3C `traceparent` of what this process does for the request: goes into the log with the fact. */
  get traceparent(): string {
    return this.trace?.traceparent ?? this.callerTraceparent;
  }

  /** As the server has it: looked up only when it is read. */
  get remoteAddr(): Connection["remoteAddr"] {
    return this.connection.remoteAddr;
  }

  /** Itself. */
  get requestRecord(): RequestRecord {
    return this;
  }

  /** Whether it, or an item of it, got 500 or above. */
  get failed(): boolean {
    return this.status >= 500 || this.timings.some(({ failed }) => failed);
  }
}

/** Observes requests. Implementations must be quick and must not throw: buyers wait for them. */
export interface RequestObserver {
  /** A request came. */
  begin?(record: RequestRecord): void;
  /** Its answer is about to be sent; the record is complete. */
  end(record: RequestRecord): void;
}

/** Asks the inventory; how the command goes is recorded while there is an observer. */
export async function ask(
  inventory: Inventory,
  command: Command,
  requestRecord: RequestRecord | undefined,
): Promise<Outcome> {
  if (requestRecord === undefined) return await inventory.submit(command);
  const timings = new CommandTimings(command);
  requestRecord.timings.push(timings);
  return timings.outcome = await inventory.submit(command, timings);
}

/** What a client is told, in one word. */
export function resultOf(outcome: Outcome, answer: Answer): string {
  if (answer.status < 400) return outcome.kind === "accepted" && outcome.replayed ? "replayed" : outcome.kind;
  return String(answer.body.code);
}
