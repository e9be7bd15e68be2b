/**
 * Answers where no route has one: wrong path, wrong method, broken code.
 *
 * @module
 */
import type { ErrorHandler, Hono, NotFoundHandler } from "hono";
import { problem } from "./problem.ts";
import { respond } from "./response.ts";

const methods = ["GET", "POST", "PUT", "PATCH", "DELETE"] as const;

/**
 * 405 with `Allow` where the path has routes for other methods, 404 where it has none. Asks the
 * router after the fact; Hono's own middleware for this would stand in front of every order.
 */
export function notFound(app: Hono): NotFoundHandler {
  return (c) => {
    const allowed: string[] = methods.filter((method) => app.router.match(method, c.req.path)[0].length > 0);
    if (allowed.length === 0) return respond(problem("not_found", "There is nothing at this path"));
    if (allowed.includes("GET")) allowed.push("HEAD");
    const allow = allowed.join(", ");
    return respond(problem("method_not_allowed", `This path allows ${allow}`, { headers: { allow } }));
  };
}

/** 500 without a word about the cause, which goes to `reportError`. */
export function internalError(reportError: (error: unknown) => void): ErrorHandler {
  return (error) => {
    reportError(error);
    return respond(problem("internal_error", "The request failed; the cause is in the server's log"));
  };
}
