import assert from "node:assert/strict";
import { commandDrift, decisionDrift, givenDrift, replyDrift } from "./wire.ts";

const header = {
  name: "a",
  text: [
    "  Commands",
    '    ["sell", deadline, [[SKU, amount], ...]]',
    '    ["stock", deadline, SKU]',
    "",
    "  Reply   one of",
    '    ["decided", now, head, [reply, ...]]   all of it',
    '    ["unarmed", now]',
    "  Replies of commands",
    '    ["accepted", seq, [available, ...]]',
    '    ["paused", SKU]',
    "",
  ].join("\n"),
};

Deno.test("wire: a command that is sent otherwise than listed is found", () => {
  const sell = ["sell", "deadline", [["SKU", "amount"]]];
  const stock = ["stock", "deadline", "SKU"];
  assert.deepEqual(commandDrift(header, [sell, stock]), []);
  assert.equal(commandDrift(header, [sell]).length, 1, "one is not sent");
  assert.equal(commandDrift(header, [sell, stock, ["lookup"]]).length, 1, "one is not listed");
  assert.equal(commandDrift(header, [sell, ["stock", "SKU", "deadline"]]).length, 2, "positions swapped");
  assert.equal(commandDrift(header, [sell, [...stock, "actor"]]).length, 2, "a position too many");
});

Deno.test("wire: a command that the script does not decide is found", () => {
  assert.deepEqual(decisionDrift(header, "local decide = { sell = sell, stock = read }"), []);
  assert.equal(decisionDrift(header, "local decide = { sell = sell }").length, 1);
  assert.equal(decisionDrift(header, "local decide = { sell = a, stock = b, pause = c }").length, 1);
});

Deno.test("wire: a reply that cannot be read as listed is found", () => {
  const known = ["accepted", "paused"];
  const kindOf = (text: string) => JSON.parse(text)[0];
  assert.deepEqual(replyDrift(header, known, kindOf), []);
  assert.equal(replyDrift(header, ["accepted"], kindOf).length, 1, "one is not read");
  assert.equal(replyDrift(header, [...known, "late"], kindOf).length, 1, "one is not listed");
  const strict = (text: string) => {
    const [kind, , , replies] = JSON.parse(text);
    if (replies?.[0]?.[0] === "paused" && replies[0][1] !== 7) throw new TypeError("no number");
    return kind;
  };
  assert.equal(replyDrift(header, known, strict).length, 1, "what stands at a position cannot be read");
  const forgetful = (text: string) => kindOf(text) === "unarmed" ? "decided" : kindOf(text);
  assert.equal(replyDrift(header, known, forgetful).length, 1, "a whole reply is read as another");
});

Deno.test("wire: a reply that the script never gives, or gives unlisted, is found", () => {
  const body = 'return { "accepted" } or { "paused" } or { "unarmed" } or \'["decided"]\'';
  assert.deepEqual(givenDrift(header, body), []);
  assert.equal(givenDrift(header, body.replace("paused", "stopped")).length, 2);
  assert.equal(givenDrift(header, `${body} or { "late" }`).length, 1);
});
