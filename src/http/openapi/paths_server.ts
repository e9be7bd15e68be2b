/**
 * The process: health and documents.
 *
 * @module
 */
import type { Part } from "../schemas/schema.ts";
import { operation, problemResponse } from "./operation.ts";

const checkedAt = "2026-11-22T12:00:00.000Z";

/** An operation that returns a document. */
export function documentOperation(
  operationId: string,
  summary: string,
  description: string,
  content: Part,
): Part {
  return {
    operationId,
    tags: ["Server"],
    summary,
    description,
    security: [],
    responses: {
      200: { description: summary, content },
      405: problemResponse(["method_not_allowed"]),
      500: problemResponse(["internal_error"]),
    },
  };
}

export const serverPaths: Readonly<Record<string, Part>> = {
  "/livez": {
    get: operation({
      operationId: "livez",
      tag: "Server",
      summary: "The process responds",
      description: "Asks no server, so that an outage of a server does not restart healthy processes.",
      scope: null,
      successes: [{
        status: 200,
        description: "The process is alive.",
        body: "Live",
        example: { live: true },
        headers: ["CacheControl"],
      }],
      problems: [],
    }),
  },
  "/readyz": {
    get: operation({
      operationId: "readyz",
      tag: "Server",
      summary: "The process can decide orders",
      description: "Runs the real decision on a canary in every shard, without writes.",
      scope: null,
      successes: [
        {
          status: 200,
          description: "Ready.",
          body: "Readiness",
          example: { ready: true, missing: [], promises_off: [], checked_at: checkedAt },
          headers: ["CacheControl"],
        },
        {
          status: 503,
          description: "Not ready.",
          body: "Readiness",
          example: {
            ready: false,
            missing: ["shard 0: unarmed: no worker has verified it yet"],
            promises_off: [],
            checked_at: checkedAt,
          },
          headers: ["CacheControl"],
        },
      ],
      problems: [],
    }),
  },
  "/openapi.json": {
    get: documentOperation("openapi", "This document", "OpenAPI 3.1.", {
      "application/json": { schema: { type: "object" } },
    }),
  },
  "/docs": {
    get: documentOperation("docs", "This document as a page", "One page without scripts; works offline.", {
      "text/html": { schema: { type: "string" } },
    }),
  },
};
