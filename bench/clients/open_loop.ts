/**
 * Load with the client of bench/peers/openloop: unique orders, open or closed loop, every answer counted.
 *
 * @module
 */
import { runCommand } from "../../tools/servers/command.ts";
import { buildGo } from "../systems/go.ts";
import type { LoadReport } from "./report.ts";

/** One run of the client. */
export interface OpenLoopOptions {
  /** The address of the orders. */
  readonly target: string;
  readonly connections: number;
  readonly seconds: number;
  readonly skus: number;
  /** Orders a second; without it the loop is closed. */
  readonly rate?: number | undefined;
  /** Orders in all; without it as many as the time allows. */
  readonly requests?: number | undefined;
  /** Percentage of requests that repeat an earlier order. */
  readonly retries?: number | undefined;
  /** Orders in one request, for the batch endpoint. */
  readonly batch?: number | undefined;
  /** Orders say that they are first attempts. */
  readonly hasAttempt?: boolean | undefined;
  /** For the ids of accepted orders, one a line. */
  readonly acceptedFile?: string | undefined;
  /** For every order and its answer, one JSON object a line. */
  readonly historyFile?: string | undefined;
}

/** Sends orders. */
export async function runOpenLoop(options: OpenLoopOptions): Promise<LoadReport> {
  const program = await buildGo("openloop");
  const { target, connections, seconds, skus, rate = 0, requests = 0, retries = 0, batch = 0 } = options;
  const args = Object.entries({ url: target, connections, seconds, skus, rate, requests, retries, batch })
    .flatMap(([name, value]) => [`-${name}`, String(value)]);
  if (options.hasAttempt) args.push("-attempt");
  if (options.acceptedFile !== undefined) args.push("-accepted", options.acceptedFile);
  if (options.historyFile !== undefined) args.push("-history", options.historyFile);
  const run = crypto.randomUUID().slice(0, 8);
  const deadlineMs = requests > 0 ? 3_600_000 : (seconds + 180) * 1000;
  const out = await runCommand(program, [...args, "-run", run], { deadlineMs });
  return JSON.parse(out.trim().split("\n").at(-1) ?? "");
}
