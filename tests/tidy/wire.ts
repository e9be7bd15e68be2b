/**
 * House rules about the boundary between TypeScript and Lua: both say what the script's header says.
 *
 * @module
 */
import { type Header, type Shape, shapeName, shapesUnder } from "./lua.ts";

const commandsTitle = "Commands";
const repliesTitle = "Replies of commands";
const wholeReplyTitle = "Reply ";

/**
 * Commands travel as listed, position by position.
 *
 * @param sent each command as it is sent, its texts and numbers named as the header names their positions
 */
export function commandDrift(header: Header, sent: readonly Shape[]): string[] {
  const listed = shapesUnder(commandsTitle, header).map(unquoted).map((shape) => JSON.stringify(shape));
  return differences(listed, sent.map((shape) => JSON.stringify(shape)), "sent");
}

/** The script's table of decisions has the commands that are listed. */
export function decisionDrift(header: Header, body: string): string[] {
  const [, table = ""] = /\blocal decide = \{([^}]*)\}/.exec(body) ?? [];
  const decided = [...table.matchAll(/(\w+)(?:"\])? =/g)].map(([, kind = ""]) => kind);
  return differences(shapesUnder(commandsTitle, header).map(shapeName), decided, "decided");
}

/**
 * Replies are read as listed, by name and with what stands at their positions.
 *
 * @param known the names that TypeScript reads
 * @param kindOf reads a reply to a whole batch and says its kind; throws when it cannot
 */
export function replyDrift(
  header: Header,
  known: readonly string[],
  kindOf: (reply: string) => string,
): string[] {
  const replies = shapesUnder(repliesTitle, header);
  const problems = differences(replies.map(shapeName), known, "read");
  const whole = shapesUnder(wholeReplyTitle, header);
  const samples = [
    ...replies.map((shape) => ["decided", ["decided", 1, 1, [sampleOf(shape)], 1, 1, 0, ""]] as const),
    ...whole.map((shape) => [shapeName(shape), sampleOf(shape, [])] as const),
  ];
  for (const [kind, sample] of samples) {
    const text = JSON.stringify(sample);
    try {
      if (kindOf(text) !== kind) problems.push(`${text} is read as another kind`);
    } catch (error) {
      problems.push(`${text} cannot be read: ${error instanceof Error ? error.message : error}`);
    }
  }
  return problems;
}

/** The script gives the replies that are listed, and no others. */
export function givenDrift(header: Header, body: string): string[] {
  const listed = [wholeReplyTitle, repliesTitle].flatMap((title) =>
    shapesUnder(title, header).map(shapeName)
  );
  const given = [...body.matchAll(/\{ "(\w+)"/g)].map(([, name = ""]) => name);
  return [
    ...listed.filter((name) => !body.includes(`"${name}"`)).map((name) => `'${name}' is listed, never given`),
    ...given.filter((name) => !listed.includes(name)).map((name) => `'${name}' is given, not listed`),
  ];
}

function differences(listed: readonly string[], found: readonly string[], what: string): string[] {
  return [
    ...listed.filter((one) => !found.includes(one)).map((one) => `${one} is listed, not ${what}`),
    ...found.filter((one) => !listed.includes(one)).map((one) => `${one} is ${what}, not listed`),
  ];
}

function unquoted(shape: Shape): Shape {
  if (typeof shape !== "string") return shape.map(unquoted);
  return shape.endsWith(" or null") ? "null" : shape.replaceAll('"', "");
}

/** A reply as the header shows it, with values that fit; `replies` stands for the replies of commands. */
function sampleOf(shape: Shape, replies?: readonly unknown[]): unknown {
  if (typeof shape !== "string") {
    return replies && shape[0] === "reply" ? replies : shape.map((inner) => sampleOf(inner, replies));
  }
  if (shape.startsWith('"')) return shape.slice(1, -1);
  if (shape.endsWith(" or null")) return null;
  if (shape === "state") return "confirmed";
  return /^(SKU|kind|user id|what|settings)$/.test(shape) ? shape : 1;
}
