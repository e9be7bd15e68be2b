/**
 * `POST /api/v1/purchase-tokens`: issues tokens for a waiting room.
 *
 * @module
 */
import type { Route } from "../ports/route.ts";
import type { RouteDependencies } from "./dependencies.ts";
import { parseToken } from "../read/parse.ts";
import type { answers } from "../schemas/answers.ts";
import type { Static } from "../schemas/schema.ts";
import { invalidRequest, problem, retryLater } from "../write/problem.ts";
import { deploymentUnknown, tokenCharsMax } from "../guard/purchase_tokens.ts";
import { noId, receive } from "./receive.ts";
import { instant } from "../write/refusal.ts";
import { type Answer, freshJsonHeaders, respond } from "../write/response.ts";

/** The response to requests that need purchase tokens when no key is set. */
export const tokensOff: Answer = problem(
  "purchase_tokens_off",
  "This server has no key for purchase tokens: the setting PURCHASE_TOKEN_KEY",
);

const tooLong: Answer = invalidRequest([{
  pointer: "/lines",
  detail: `must be fewer, or with shorter SKUs: the token would be longer than ${tokenCharsMax} characters`,
}]);

const tokenRequest = { scope: "tokens", id: noId, body: parseToken } as const;

/** Issues a token for one order of one user, and for the lines of the request. */
export function issuePurchaseToken(dependencies: RouteDependencies): Route {
  const { purchaseTokens, world } = dependencies;
  return async (request, connection) => {
    const received = await receive(dependencies, request, connection, tokenRequest);
    if (received.kind === "refused") return respond(received.answer);
    if (purchaseTokens === null) return respond(tokensOff);
    const { ttlS, ...purchase } = received.value.body;
    const issued = purchaseTokens.issue(purchase, ttlS);
    if (issued === "too_long") return respond(tooLong);
    if (issued === "undecided") {
      const deadline = instant(world.now());
      return respond(
        retryLater("unarmed", `No token can be issued: ${deploymentUnknown}`, 1000, { deadline }),
      );
    }
    const body: Static<typeof answers.PurchaseToken> = {
      success: true,
      purchase_token: issued.token,
      order_id: purchase.orderId,
      user_id: purchase.userId,
      lines: purchase.lines,
      expires_at: instant(issued.expiresAtMs),
      message: "success",
    };
    return respond({ status: 200, headers: freshJsonHeaders, body });
  };
}
