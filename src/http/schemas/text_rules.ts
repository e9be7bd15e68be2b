/**
 * The rules of ids and notes that a regular expression of JSON Schema cannot express.
 *
 * @module
 */
import { limits } from "../../domain/command.ts";

const controlCharacter = /\p{Cc}/u;
/**
 * Matches almost every id: one test instead of six. It begins with a letter, a digit or `_`, so it is not `.` or
 * `..`.
 */
const usualId = /^\w(?:[\x20-\x7e]*[\x21-\x7e])?$/;
/** Format characters (zero width, bidi controls, U+FEFF) and all white space except the plain space. */
const invisible = /[\p{Cf}\p{Zl}\p{Zp}]|(?! )\p{Zs}/u;
const encoder = new TextEncoder();

/** The rule that a text violates as an id, or undefined. */
export function brokenIdRule(text: string): string | undefined {
  const max = limits.idBytesMax;
  if (text.length <= max && usualId.test(text)) return undefined;
  if (text === "") return "must not be empty";
  if (text === "." || text === "..") return "must not be . or .., which no URL can carry";
  if (text.startsWith(" ") || text.endsWith(" ")) return "must not begin or end with a space";
  // A UTF-16 unit takes at least one byte, so a long text is refused before it is encoded.
  if (text.length > max || encoder.encode(text).length > max) return `must be at most ${max} bytes of UTF-8`;
  if (invisible.test(text)) return "must not contain invisible characters or white space but the plain space";
  return brokenTextRule(text);
}

/** The rule that a text violates as a note, or undefined. */
export function brokenNoteRule(text: string): string | undefined {
  const max = limits.noteCharsMax;
  // A character has at most two UTF-16 units, so most texts need no counting.
  if (text.length > 2 * max || (text.length > max && Array.from(text).length > max)) {
    return `must be at most ${max} characters`;
  }
  return brokenTextRule(text);
}

function brokenTextRule(text: string): string | undefined {
  if (controlCharacter.test(text)) return "must not contain control characters";
  if (!text.isWellFormed()) return "must be well-formed Unicode: it has half of a surrogate pair";
  if (text.includes("\ufffd")) return "must not contain U+FFFD, which stands for bytes that were not UTF-8";
  return undefined;
}
