/**
 * Load with wrk: closed loop, the cheapest client.
 *
 * @module
 */
import { runCommand } from "../../tools/servers/command.ts";
import type { LoadReport } from "./report.ts";

/** One run of wrk. */
export interface WrkOptions {
  /** The address of the orders. */
  readonly target: string;
  readonly connections: number;
  readonly seconds: number;
  readonly skus: number;
  /** Every answer is read and counted by its reason, which costs the client about as much as the request. */
  readonly isCounted: boolean;
  /** Orders say that they are first attempts. */
  readonly hasAttempt: boolean;
}

/** Sends orders for some seconds. */
export async function runWrk(options: WrkOptions): Promise<LoadReport> {
  const script = new URL("../peers/load.lua", import.meta.url).pathname;
  const { target, connections, seconds, skus, isCounted, hasAttempt } = options;
  const out = await runCommand(
    "wrk",
    ["-t1", `-c${connections}`, `-d${seconds}s`, "--timeout", "10s", "-s", script, target],
    {
      env: { COUNT: isCounted ? "1" : "0", ATTEMPT: hasAttempt ? "1" : "0", SKUS: String(skus) },
      deadlineMs: (seconds + 120) * 1000,
    },
  );
  const text = out.trim();
  const { results, ...report } = JSON.parse(text.slice(text.lastIndexOf("\n") + 1));
  return {
    ...report,
    offered: report.requests + report.failed,
    unsent: 0,
    results: isCounted ? results : null,
    failures: report.failed > 0 ? { socket: report.failed } : {},
  };
}
