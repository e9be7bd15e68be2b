/**
 * The observer of requests (a port), and the record of a request, which exists only while there is an observer.
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

const none: readonly never[] = [];

/** The record of one request: references and clock readings. Routes receive it as their connection. */
export class RequestRecord implements Connection {
  /** Its span; null when no observer traces. */
  trace: TraceContext | null = null;
  /** `<method> <path as the router has it>`; empty until a route is found. */
  route = "";
  /** When the response was ready, monotonic, ms; 0 = not yet. */
  endMs = 0;
  /** HTTP status of the response; 0 = none yet. */
  status = 0;
  #timings: CommandTimings[] | undefined;
  #turnedAway: string[] | undefined;

  /**
   * Begins the record when the request arrives.
   *
   * @param callerTraceparent of the caller's span; empty without one
   * @param startMs when the request arrived, monotonic, ms
   */
  constructor(
    readonly request: Request,
    readonly connection: Connection,
    readonly callerTraceparent: string,
    readonly startMs: number,
  ) {}

  /** Timings of all commands of the request; only a batch has several. */
  get timings(): readonly CommandTimings[] {
    return this.#timings ?? none;
  }

  /** Codes of sales that were refused before the inventory was called. */
  get turnedAway(): readonly string[] {
    return this.#turnedAway ?? none;
  }

  /** W3C `traceparent` of this process's span for the request. */
  get traceparent(): string {
    return this.trace?.traceparent ?? this.callerTraceparent;
  }

  /** The same for the log entry; empty when the trace begins here and is not sampled, as 99 of 100 are. */
  get loggedTraceparent(): string {
    return this.callerTraceparent !== "" || this.trace?.sampled ? this.traceparent : "";
  }

  /** Begins the timings of a command. The first makes a list of one: an empty list that grows has room for 17. */
  time(command: Command): CommandTimings {
    const timings = new CommandTimings(command);
    if (this.#timings === undefined) this.#timings = [timings];
    else this.#timings.push(timings);
    return timings;
  }

  /** Notes a sale that was refused before the inventory was called. */
  turnAway(code: string): void {
    (this.#turnedAway ??= []).push(code);
  }

  /** A getter, because Deno reads the address only on access. */
  get remoteAddr(): Connection["remoteAddr"] {
    return this.connection.remoteAddr;
  }

  /** The record itself. */
  get requestRecord(): RequestRecord {
    return this;
  }

  /** Whether the status of the request, or of an item of it, is 500 or above. */
  get failed(): boolean {
    return this.status >= 500 || this.timings.some(({ failed }) => failed);
  }
}

/** Observer of requests. Implementations must not block or throw, because buyers wait for them. */
export interface RequestObserver {
  /** Called when a request arrives. */
  begin?(record: RequestRecord): void;
  /** Called just before the response is sent; the record is complete. */
  end(record: RequestRecord): void;
}

/** Submits a command; its timings are recorded while there is an observer. */
export async function ask(
  inventory: Inventory,
  command: Command,
  requestRecord: RequestRecord | undefined,
): Promise<Outcome> {
  if (requestRecord === undefined) return await inventory.submit(command);
  const timings = requestRecord.time(command);
  return timings.outcome = await inventory.submit(command, timings);
}

/** The outcome as the client sees it, as a single word. */
export function resultOf(outcome: Outcome, answer: Answer): string {
  if (answer.status < 400) return outcome.kind === "accepted" && outcome.replayed ? "replayed" : outcome.kind;
  return String(answer.body.code);
}
