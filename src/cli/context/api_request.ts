/**
 * The verbs that keep stock: each is a request to a route of the API, which runs in this process on the servers
 * of the settings (or, with `--api`, in somebody else's). So they check, decide and word things as the API does.
 *
 * @module
 */
import type { World } from "../../runtime/world.ts";
import { exits, Failure } from "./failure.ts";
import type { Terminal } from "./terminal.ts";

/** Answers a request, here or over the network. */
export type Ask = (request: Request) => Promise<Response>;

/** A verb as a request. */
export interface Asked {
  /** HTTP's. */
  readonly method: "GET" | "POST" | "PUT";
  /** Of the API, with its ids encoded. */
  readonly path: string;
  /** JSON; undefined = none. */
  readonly body?: Readonly<Record<string, unknown>>;
}

/** In process any origin would do; no request leaves it. */
const here = "http://localhost";
const askTimeoutMs = 35_000;

/** The path of a SKU. */
export function skuPath(sku: string, action = ""): string {
  return `/api/v1/inventory/${encodeURIComponent(sku)}${action}`;
}

/** The path of an order. */
export function orderPath(orderId: string): string {
  return `/api/v1/orders/${encodeURIComponent(orderId)}`;
}

/** Asks the API in this process, with a token that only the two of them know. */
export function localApi(fetch: Ask, token: string): (asked: Asked) => Promise<Response> {
  return (asked) => fetch(requestOf(here, asked, token));
}

/** Asks a running API. */
export function remoteApi(
  world: World,
  url: string,
  token: string | undefined,
): (asked: Asked) => Promise<Response> {
  const base = baseOf(url);
  return async (asked) => {
    const timeout = new AbortController();
    const cancel = world.after(askTimeoutMs, () => timeout.abort());
    try {
      return await fetch(requestOf(base, asked, token), { signal: timeout.signal });
    } catch (cause) {
      throw new Failure(`Cannot reach the API at ${url}`, "failed", { cause });
    } finally {
      cancel();
    }
  };
}

/** Prints the API's answer. Returns the exit code: 2 for what was asked wrongly, 1 for every other refusal. */
export async function printAnswer(response: Response, terminal: Terminal): Promise<number> {
  const body = await bodyOf(response);
  terminal.result(body, describeAnswer(response.status, body));
  if (response.ok) return exits.ok;
  return response.status === 400 ? exits.usage : exits.failed;
}

/** Where the API's paths begin: `https://host/prefix` keeps its prefix. */
function baseOf(url: string): string {
  const parsed = URL.parse(url);
  const isWeb = parsed?.protocol === "http:" || parsed?.protocol === "https:";
  if (!parsed || !isWeb || parsed.search !== "" || parsed.hash !== "" || parsed.username !== "") {
    throw new Failure(
      "--api must be an address such as https://shop.example or https://shop.example/prefix, without user, query or fragment",
      "usage",
    );
  }
  return parsed.href.replace(/\/+$/, "");
}

function requestOf(base: string, { method, path, body }: Asked, token: string | undefined): Request {
  const headers = new Headers();
  if (token !== undefined) headers.set("authorization", `Bearer ${token}`);
  if (body !== undefined) headers.set("content-type", "application/json");
  return new Request(base + path, {
    method,
    headers,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}

async function bodyOf(response: Response): Promise<Record<string, unknown>> {
  try {
    return await response.json();
  } catch (cause) {
    throw new Failure(`Cannot read the API's answer ${response.status} as it is not JSON`, "failed", {
      cause,
    });
  }
}

function describeAnswer(status: number, body: Readonly<Record<string, unknown>>): string {
  if (status < 400) {
    return Object.entries(body).filter(([name]) => name !== "success" && name !== "message")
      .map(([name, value]) => `${name} ${typeof value === "string" ? value : JSON.stringify(value)}`).join(
        "\n",
      );
  }
  const errors = Array.isArray(body.errors) ? body.errors : [];
  const details = errors.map(({ pointer, detail }) => `  ${pointer} ${detail}`);
  return [`Refused: ${body.code ?? status}: ${body.detail ?? body.title ?? "no reason given"}`, ...details]
    .join("\n");
}
