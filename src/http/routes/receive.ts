/**
 * The checks before a command, in their order: token, id in the path, body. A caller without a token learns nothing
 * about the others.
 *
 * @module
 */
import type { Scope } from "../../runtime/settings/config.ts";
import type { Origin } from "../../domain/command.ts";
import type { Connection } from "../ports/route.ts";
import type { RouteDependencies } from "./dependencies.ts";
import { type BodyRule, idSegment, readJson, spanOf } from "../read/request.ts";
import { type Checked, valid } from "../write/response.ts";

export interface Expected<Body> {
  /** The scope that the caller's token must have. */
  readonly scope: Scope;
  /** Checks the id in the path. */
  readonly id: (segment: string) => Checked<string>;
  /** How the body is read; undefined = required, default size. */
  readonly read?: BodyRule;
  /** Checks the body. */
  readonly body: (json: unknown) => Checked<Body>;
}

/** A request that passed all checks. */
export interface Received<Body> {
  readonly id: string;
  readonly body: Body;
  /** The caller, and its span. */
  readonly origin: Origin;
  /** The token that must have sold the lines that the caller changes; empty = any line. */
  readonly owner: string;
}

/** Checks a request; the first check that fails is the response. */
export async function receive<Body>(
  dependencies: Pick<RouteDependencies, "access" | "bodies" | "world">,
  request: Request,
  connection: Connection,
  { scope, id: checkId, read, body: checkBody }: Expected<Body>,
): Promise<Checked<Received<Body>>> {
  const caller = dependencies.access.admit(request, scope);
  if (caller.kind === "refused") return caller;
  const id = checkId(idSegment(request));
  if (id.kind === "refused") return id;
  const json = await readJson(request, dependencies, read);
  if (json.kind === "refused") return json;
  const body = checkBody(json.value);
  if (body.kind === "refused") return body;
  const { name: actor, owner } = caller.value;
  const origin = { actor, traceparent: spanOf(request, connection) };
  return valid({ id: id.value, body: body.value, origin, owner });
}

/** The check of a path without an id. */
export function noId(): Checked<string> {
  return withoutId;
}

const withoutId = valid("");
