import assert from "node:assert/strict";
import { codeMembers, textMembers } from "../../client/src/outcome.ts";
import { type ProblemCode, problemCodes, problems } from "../../src/http/schemas/problems.ts";

/** The client reads these by hand, or never returns them: it sends the request again. */
const readOtherwise: readonly ProblemCode[] = ["invalid_request", "stale", "body_timeout"];

Deno.test("the client knows every code of a 4xx", () => {
  const codes = problemCodes.filter((code) => problems[code].status < 500 && !readOtherwise.includes(code));
  assert.deepEqual(Object.keys(codeMembers).toSorted(), codes.toSorted());
});

Deno.test("a member that the client reads is always there, of the type that it reads", () => {
  for (const code of Object.keys(codeMembers) as (keyof typeof codeMembers)[]) {
    for (const member of codeMembers[code] as readonly string[]) {
      const name = member.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
      const type = (textMembers as readonly string[]).includes(member) ? "string" : "integer";
      assert.equal(problems[code].required[name]?.type, type, `${code} ${name}`);
    }
  }
});
