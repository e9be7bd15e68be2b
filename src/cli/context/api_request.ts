/**
 * The stock verbs: each is a request to a route of the API, which runs in this process on the servers of the settings, or
 * with `--api` elsewhere. So their checks, decisions and messages are the API's.
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
  readonly method: "GET" | "POST" | "PUT";
  /** Path with encoded ids. */
  readonly path: string;
  /** JSON; undefined = none. */
  readonly body?: Readonly<Record<string, unknown>>;
}

/** Any origin: no request leaves the process. */
const here = "http://localhost";
const askTimeoutMs = 35_000;

export function skuPath(sku: string, action = ""): string {
  return `/api/v1/inventory/${encodeURIComponent(sku)}${action}`;
}

export function orderPath(orderId: string): string {
  return `/api/v1/orders/${encodeURIComponent(orderId)}`;
}

/** Calls the API in this process, with a token of this process. */
export function localApi(fetch: Ask, token: string): (asked: Asked) => Promise<Response> {
  return (asked) => fetch(requestOf(here, asked, token));
}

/** Calls a running API. */
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

/** Prints the API's response. Returns the exit code: 2 for a wrong request, 1 for every other refusal. */
export async function printAnswer(response: Response, terminal: Terminal): Promise<number> {
  const body = await bodyOf(response);
  terminal.result(body, describeAnswer(response.status, body));
  if (response.ok) return exits.ok;
  return response.status === 400 ? exits.usage : exits.failed;
}

/** The base of the API's paths: `https://host/prefix` keeps its prefix. */
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
    throw new Failure(`Cannot read the API's response ${response.status} as it is not JSON`, "failed", {
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
