/**
 * The API as OpenAPI 3.1 describes it. `tests/contract/openapi_test.ts` holds it and the behavior against each
 * other.
 *
 * @module
 */
import { bodyBytesMax } from "../read/request.ts";
import { answers } from "../schemas/answers.ts";
import { problemSchemas } from "../schemas/problems.ts";
import { requests } from "../schemas/requests.ts";
import { headers, parameters, responses, securitySchemes } from "./components.ts";
import type { Part } from "../schemas/schema.ts";
import { opsPaths, opsSchemas } from "./paths_ops.ts";
import { orderPaths } from "./paths_orders.ts";
import { reservationPaths } from "./paths_reservations.ts";
import { sellPaths } from "./paths_sell.ts";
import { serverPaths } from "./paths_server.ts";
import { stockPaths } from "./paths_stock.ts";
import { version } from "./version.ts";

const description = [
  "Sells every unit of scarce stock at most once.",
  "Every refusal and error is `application/problem+json` (RFC 9457). Branch on `code`: a code never changes its " +
  "meaning, and new ones may be added.",
  `Unknown members of a body are refused, and bodies over ${bodyBytesMax} bytes; all errors are ` +
  "reported together. An unknown path is 404 `not_found`. A path that allows GET allows HEAD.",
  "After a 503, a lost connection or a timeout a request may have taken effect: send it again, unchanged, with the " +
  "same id, without Order-Attempt.",
].join("\n\n");

const tags = [
  { name: "Sell", description: "Units of one SKU." },
  { name: "Orders", description: "Baskets, lookups, returns." },
  { name: "Reservations", description: "Units reserved for a limited time, then sold or returned." },
  { name: "Stock", description: "Stock keeping during the sale." },
  { name: "Server", description: "The process and its documents." },
];

// JSON only, without the checks of the schemas.
const document: Part = deepFreeze(JSON.parse(JSON.stringify({
  openapi: "3.1.1",
  info: {
    title: "Holdfast",
    version,
    summary: "Inventory deduction for flash sales.",
    description,
  },
  servers: [{ url: "/", description: "The server of this document." }],
  tags,
  security: [{ bearer: [] }],
  paths: { ...sellPaths, ...orderPaths, ...reservationPaths, ...stockPaths, ...serverPaths, ...opsPaths },
  components: {
    schemas: { ...requests, ...answers, ...opsSchemas, ...problemSchemas },
    parameters,
    headers,
    responses,
    securitySchemes,
  },
})));

/** The document, one frozen instance. */
export function openApiDocument(): Part {
  return document;
}

function deepFreeze<T extends object>(value: T): T {
  for (const inner of Object.values(value)) {
    if (typeof inner === "object" && inner !== null && !Object.isFrozen(inner)) deepFreeze(inner);
  }
  return Object.freeze(value);
}
