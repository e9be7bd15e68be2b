/**
 * The checks that a request passes before anything is asked of the inventory, in their order: who asks, about
 * which id, with which contents. Who has no token learns nothing about the rest.
 *
 * @module
 */
import type { Scope } from "../../runtime/settings/config.ts";
import type { Origin } from "../../domain/command.ts";
import type { Connection } from "../ports/route.ts";
import type { RouteDependencies } from "./dependencies.ts";
import { type BodyRule, idSegment, readJson, spanOf } from "../read/request.ts";
import { type Checked, valid } from "../write/response.ts";

/** What a route takes. */
export interface Expected<Body> {
  /** What the caller's token must allow. */
  readonly scope: Scope;
  /** Checks the id in the path. */
  readonly id: (segment: string) => Checked<string>;
  /** How the body is taken; left out = required, of the usual size. */
  readonly read?: BodyRule;
  /** Checks the body. */
  readonly body: (json: unknown) => Checked<Body>;
}

/** A request that passed. */
export interface Received<Body> {
  /** The id in the path. */
  readonly id: string;
  /** The contents. */
  readonly body: Body;
  /** Who asked, and from where in a trace. */
  readonly origin: Origin;
  /** Whose lines the caller may change; empty = everybody's. */
  readonly owner: string;
}

/** Checks a request; the first check that fails is the answer. */
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
