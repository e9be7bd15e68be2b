/**
 * The live page and its data.
 *
 * @module
 */
import { boardBounds } from "../../live/board.ts";
import { limits } from "../../domain/command.ts";
import { list, object } from "../schemas/containers.ts";
import { integer, moment, orNull, type Part, type Schema, text, units } from "../schemas/schema.ts";
import { problemResponse } from "./operation.ts";
import { documentOperation } from "./paths_server.ts";

const count = (description: string) => integer(0, Number.MAX_SAFE_INTEGER, description);
const ms = (description: string): Schema => ({ type: "number", minimum: 0, description });
const shard = integer(0, limits.shardsMax - 1, "The shard.");

/** The data of one event of the stream. */
export const opsSchemas: Readonly<Record<string, Schema>> = {
  Snapshot: object({
    at: moment("Time of the snapshot."),
    sales_per_second: object({
      asked: count("All."),
      accepted: count("Units were sold or reserved, now or, for a replay, earlier."),
      refused: count("Refused."),
      failed: count("Answered with 5xx."),
    }),
    latency_ms: orNull(object({
      p50: ms("Median latency of sales in the last 10 s."),
      p95: ms("95th percentile."),
      p99: ms("99th percentile."),
      max: ms("Maximum."),
    })),
    top_skus: list(
      object({
        sku: text("Which."),
        units: count("Sold or reserved in the last 10 s."),
        refused: count("Sales refused in the last 10 s."),
        left: orNull(units("Available units at the last decision; null: unknown.")),
      }),
      0,
      10,
    ),
    waiting: count("Commands that wait for a call to the store."),
    sold_out_cache: object({ hits: count("Hits since startup."), misses: count("Misses since startup.") }),
    shards: object({
      total: integer(1, limits.shardsMax, "Number of shards."),
      unarmed: integer(0, limits.shardsMax, "Shards that were unarmed at the last call."),
    }),
    log_lag: {
      ...orNull(list(object({ shard, lag: count("Events that are not applied yet.") }), 0, limits.shardsMax)),
      description: "Null: unknown, because this process has no ledger or the ledger does not respond.",
    },
    dead_letters: orNull(count("Events that wait for an operator; null: unknown.")),
  }),
};

const example = {
  at: "2026-11-27T00:00:01.000Z",
  sales_per_second: { asked: 5210, accepted: 5000, refused: 210, failed: 0 },
  latency_ms: { p50: 1.8, p95: 4.1, p99: 7.2, max: 11.5 },
  top_skus: [{ sku: "SKU_123", units: 48_000, refused: 2010, left: 952 }],
  waiting: 12,
  sold_out_cache: { hits: 0, misses: 0 },
  shards: { total: 1, unarmed: 0 },
  log_lag: [{ shard: 0, lag: 310 }],
  dead_letters: 0,
};

export const opsPaths: Readonly<Record<string, Part>> = {
  "/ops": {
    get: documentOperation(
      "opsPage",
      "Live page",
      "Shows `/ops/stream`. The page has no data and needs no token; it asks for one if the stream requires it.",
      { "text/html": { schema: { type: "string" } } },
    ),
  },
  "/ops/stream": {
    get: {
      operationId: "opsStream",
      tags: ["Server"],
      summary: "Live metrics of this process",
      description:
        "Server-sent events without names, the first at once, then one a second; the data of each is a JSON " +
        `\`Snapshot\`. Sales are counted while there are viewers. At most ${boardBounds.streamsMax} streams; the ` +
        "server ends a stream whose client is too slow, the oldest one of the address or token that has the most when " +
        "a new viewer arrives, each after a minute, and all of them when it stops. Reconnect then.",
      security: [{ bearer: ["read"] }],
      responses: {
        200: {
          description: "A sequence of snapshots.",
          content: {
            "text/event-stream": {
              schema: { type: "string" },
              example: `data: ${JSON.stringify(example)}\n\n`,
            },
          },
        },
        401: problemResponse(["unauthorized"]),
        403: problemResponse(["forbidden"]),
        405: problemResponse(["method_not_allowed"]),
        500: problemResponse(["internal_error"]),
        503: problemResponse(["too_many_streams"]),
      },
    },
  },
};
