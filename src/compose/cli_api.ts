/**
 * The API's routes inside the process of the command line.
 *
 * @module
 */
import type { Ledger } from "../ledger/ledger.ts";
import { createHash } from "node:crypto";
import { createApp } from "../http/app.ts";
import type { Config } from "../runtime/settings/config.ts";
import { InventoryService } from "../decide/service.ts";
import type { StockStore } from "../decide/store.ts";
import { localApi } from "../cli/context/api_request.ts";
import type { CliContext } from "../cli/context/context.ts";
import { describeError } from "../runtime/logger.ts";
import { realWorld as world } from "../runtime/world.ts";

/** Sends a request to the routes. */
export type CliApi = Awaited<ReturnType<CliContext["api"]>>;

/** The real API, with a token for this process that has the operator's name. */
export function openApi(config: Config, store: StockStore, ledger: Ledger | null, actor: string): CliApi {
  const inventory = new InventoryService(store, world, {
    shards: config.shards,
    batchMax: config.batchMax,
    callsMax: 2,
    queueMax: config.queueMax,
    requestTimeoutMs: config.requestTimeoutMs,
    guaranteesOff: () => [],
    archive: ledger,
    decisions: ledger?.baskets ?? null,
    onBroken: reportError,
  });
  const token = world.uuid();
  const sha256 = createHash("sha256").update(token).digest("hex");
  const app = createApp({
    inventory,
    config: {
      ...config,
      access: {
        kind: "tokens",
        tokens: [{ name: actor, scopes: ["admin", "read"], sha256, isWeak: false }],
      },
    },
    world,
    reportError,
    deployment: () => null, // it neither sells nor issues tokens
  });
  return localApi(async (request) => await app.fetch(request), token);
}

function reportError(error: unknown): void {
  note(`Broken: ${describeError(error)}`);
}

/** Prints a line for the operator. */
export function note(message: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`${message}\n`));
}
