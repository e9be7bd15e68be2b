/**
 * W3C Baggage: a caller's members, which every span gets as attributes.
 *
 * @module
 */

/** The standard lets a caller send 64 members and 8192 bytes; a span keeps fewer. */
const membersMax = 16;
const charsMax = 4096;
const member =
  /^\s*([!#$%&'*+.^_`|~\w-]{1,64})\s*=\s*([\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]{0,256})\s*(?:;.*)?$/;

/** The members of a header as attributes `baggage.<name>`; malformed members are left out. */
export function baggageOf(header: string | null): Record<string, string> {
  const found: Record<string, string> = {};
  if (header === null || header.length > charsMax) return found;
  for (const text of header.split(",").slice(0, membersMax)) {
    const [, name, value = ""] = member.exec(text) ?? [];
    if (name !== undefined) found[`baggage.${name}`] = decoded(value);
  }
  return found;
}

function decoded(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}
