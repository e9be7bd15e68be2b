/**
 * `/livez` and `/readyz`, for load balancers and operators. They are public, because they disclose nothing
 * about stock.
 *
 * @module
 */
import type { Route } from "../ports/route.ts";
import type { answers } from "../schemas/answers.ts";
import type { Static } from "../schemas/schema.ts";
import type { RouteDependencies } from "./dependencies.ts";
import { instant } from "../write/refusal.ts";
import { freshJsonHeaders, respond } from "../write/response.ts";

/**
 * `GET /livez`: the process responds. It calls no server, so that a lost server does not get healthy processes
 * killed.
 */
export function livez(): Route {
  return () => respond({ status: 200, headers: freshJsonHeaders, body: { live: true } });
}

/** `GET /readyz`: whether orders can be decided now, what is missing, and which guarantees are off. */
export function readyz({ inventory }: RouteDependencies, draining: { readonly begun: boolean }): Route {
  return async () => {
    const readiness = await inventory.readiness();
    const { guaranteesOff, checkedAtMs } = readiness;
    const ready = readiness.ready && !draining.begun;
    const missing = draining.begun ? [...readiness.missing, "this process is stopping"] : readiness.missing;
    const body: Static<typeof answers.Readiness> = {
      ready,
      missing,
      promises_off: guaranteesOff,
      checked_at: instant(checkedAtMs),
    };
    return respond({ status: ready ? 200 : 503, headers: freshJsonHeaders, body });
  };
}
