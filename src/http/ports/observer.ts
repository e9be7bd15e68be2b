/**
 * The port to whoever watches requests, and what is noted of one on its way.
 *
 * @module
 */
import type { Command } from "../../domain/command.ts";
import type { Outcome } from "../../domain/outcome.ts";
import { Passage } from "../../decide/command_timings.ts";
import type { Inventory } from "../../decide/service.ts";
import type { Connection } from "./route.ts";
import type { Answer } from "../write/response.ts";

/** One request on its way. */
export interface Journey {
  /** W3C `traceparent` of what this process does for the request: goes into the log beside the fact. */
  readonly traceparent: string;
  /** `<method> <path as the router has it>`; empty until a route was found. */
  route: string;
  /** Notes a command that goes to the inventory. */
  note(passage: Passage): void;
  /** Notes a sale that was turned away before the inventory was asked, by the code of the refusal. */
  turnAway(code: string): void;
}

/** Watches requests. It must be quick and must not throw: buyers wait for it. */
export interface RequestWatch {
  /**
   * A request came.
   *
   * @param traceparent of the caller's span; empty without one
   */
  begin(request: Request, connection: Connection, traceparent: string): Journey;
  /** Its answer is about to be sent. */
  end(journey: Journey, status: number): void;
}

/** The connection of a request that is watched. */
export class WatchedConnection implements Connection {
  /** Adds `journey` to what the server knows. */
  constructor(readonly connection: Connection, readonly journey: Journey) {}

  /** As the server has it: it is looked up only when somebody asks. */
  get remoteAddr(): Connection["remoteAddr"] {
    return this.connection.remoteAddr;
  }
}

/** Asks the inventory; how the command goes is noted when somebody watches. */
export function ask(inventory: Inventory, command: Command, journey: Journey | undefined): Promise<Outcome> {
  return journey === undefined
    ? inventory.submit(command)
    : askWatched(inventory, new Passage(command), journey);
}

async function askWatched(inventory: Inventory, passage: Passage, journey: Journey): Promise<Outcome> {
  journey.note(passage);
  passage.outcome = await inventory.submit(passage.command, passage);
  return passage.outcome;
}

/** What a client is told, in one word. */
export function resultOf(outcome: Outcome, answer: Answer): string {
  if (answer.status < 400) return outcome.kind === "accepted" && outcome.replayed ? "replayed" : outcome.kind;
  return String(answer.body.code);
}
