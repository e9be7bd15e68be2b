/**
 * The live page, and the figures that it shows.
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
const shard = integer(0, limits.shardsMax - 1, "Which.");

/** What one event of the stream carries. */
export const opsSchemas: Readonly<Record<string, Schema>> = {
  Snapshot: object({
    at: moment("When it was made."),
    sales_per_second: object({
      asked: count("All."),
      accepted: count("Units were sold or held, now or, for a repetition, before."),
      refused: count("Turned away for a reason."),
      failed: count("Answered with 5xx."),
    }),
    latency_ms: orNull(object({
      p50: ms("Half of the requests that sell were faster, in the last 10 s."),
      p95: ms("95 % were."),
      p99: ms("99 % were."),
      max: ms("The slowest."),
    })),
    top_skus: list(
      object({
        sku: text("Which."),
        units: count("Sold or held in the last 10 s."),
        refused: count("Sales turned away in the last 10 s."),
        left: orNull(units("Available units when it was last decided; null: no answer told.")),
      }),
      0,
      10,
    ),
    waiting: count("Commands that wait for a call to the store."),
    sold_out_cache: object({ hits: count("Answered, since the start."), misses: count("Not answered.") }),
    shards: object({
      total: integer(1, limits.shardsMax, "All of them."),
      unarmed: integer(0, limits.shardsMax, "Those that refused to sell when they were last asked."),
    }),
    log_lag: {
      ...orNull(list(object({ shard, lag: count("Events that are not booked yet.") }), 0, limits.shardsMax)),
      description: "Null: not known, as this process has no ledger, or it does not answer.",
    },
    dead_letters: orNull(count("Events that wait for a person; null: not known.")),
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

/** The paths. */
export const opsPaths: Readonly<Record<string, Part>> = {
  "/ops": {
    get: documentOperation(
      "opsPage",
      "Live page",
      "Shows `/ops/stream`. The page itself tells nothing and is open; it asks for a token when the stream wants one.",
      { "text/html": { schema: { type: "string" } } },
    ),
  },
  "/ops/stream": {
    get: {
      operationId: "opsStream",
      tags: ["Server"],
      summary: "Figures of this process, live",
      description:
        "Server-sent events without names, one at once and one a second; the data of each is JSON, a " +
        `\`Snapshot\`. Sales are counted while somebody looks. At most ${boardBounds.streamsMax} streams; the ` +
        "server ends one whose client does not keep up, the oldest one of the address or token that has the most when " +
        "another viewer comes, each after a minute, and all of them when it stops: open it again.",
      security: [{ bearer: ["read"] }],
      responses: {
        200: {
          description: "One snapshot after the other.",
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
