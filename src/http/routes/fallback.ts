/**
 * Responses without a route: unknown path, wrong method, internal error.
 *
 * @module
 */
import { problem } from "../write/problem.ts";
import { respond } from "../write/response.ts";

/** 405 where the path has routes for other methods, else 404. */
export function unrouted(allowed: readonly string[]): Response {
  if (allowed.length === 0) return respond(problem("not_found", "No resource exists at this path"));
  const allow = (allowed.includes("GET") ? [...allowed, "HEAD"] : allowed).join(", ");
  return respond(problem("method_not_allowed", `This path allows ${allow}`, { headers: { allow } }));
}

/** 500 without the cause, which is in the server's log. */
export function internalError(): Response {
  return respond(problem("internal_error", "The request failed; the server's log has the cause"));
}
