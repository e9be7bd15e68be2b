/**
 * The port to whoever watches requests, and what is noted of one on its way.
 *
 * @module
 */
import type { Command } from "../../domain/command.ts";
import type { Outcome } from "../../domain/outcome.ts";
import { CommandTimings } from "../../decide/command_timings.ts";
import type { Inventory } from "../../decide/service.ts";
import type { Connection } from "./route.ts";
import type { Answer } from "../write/response.ts";

/** One request on its way. */
export interface RequestRecord {
  /** W3C `traceparent` of what this process does for the request: goes into the log beside the fact. */
  readonly traceparent: string;
  /** `<method> <path as the router has it>`; empty until a route was found. */
  route: string;
  /** Notes a command that goes to the inventory. */
  note(timings: CommandTimings): void;
  /** Notes a sale that was turned away before the inventory was asked, by the code of the refusal. */
  turnAway(code: string): void;
}

/** Watches requests. It must be quick and must not throw: buyers wait for it. */
export interface RequestObserver {
  /**
   * A request came.
   *
   * @param traceparent of the caller's span; empty without one
   */
  begin(request: Request, connection: Connection, traceparent: string): RequestRecord;
  /** Its answer is about to be sent. */
  end(requestRecord: RequestRecord, status: number): void;
}

/** The connection of a request that is watched. */
export class ObservedConnection implements Connection {
  /** Adds `request record` to what the server knows. */
  constructor(readonly connection: Connection, readonly requestRecord: RequestRecord) {}

  /** As the server has it: it is looked up only when somebody asks. */
  get remoteAddr(): Connection["remoteAddr"] {
    return this.connection.remoteAddr;
  }
}

/** Asks the inventory; how the command goes is noted when somebody watches. */
export function ask(
  inventory: Inventory,
  command: Command,
  requestRecord: RequestRecord | undefined,
): Promise<Outcome> {
  return requestRecord === undefined
    ? inventory.submit(command)
    : askWatched(inventory, new CommandTimings(command), requestRecord);
}

async function askWatched(
  inventory: Inventory,
  timings: CommandTimings,
  requestRecord: RequestRecord,
): Promise<Outcome> {
  requestRecord.note(timings);
  timings.outcome = await inventory.submit(timings.command, timings);
  return timings.outcome;
}

/** What a client is told, in one word. */
export function resultOf(outcome: Outcome, answer: Answer): string {
  if (answer.status < 400) return outcome.kind === "accepted" && outcome.replayed ? "replayed" : outcome.kind;
  return String(answer.body.code);
}
