/**
 * House rules about runbooks: each of their commands is run by a test, in the state that the page is for.
 *
 * @module
 */
import type { SourceFile } from "./files.ts";

/** A command of a page. */
export interface RunbookCommand {
  /** Heading that it stands under, e.g. `Look first`. */
  readonly section: string;
  /** As it stands there; `<name>` is for the operator to fill in. */
  readonly command: string;
}

const programs = /^(?:deno task|curl|df|redis-cli|psql) /;
/** What only a part of a command can be: it must stand there whole, so that it can be run. */
const fragments =
  /^(?:ACL|BGSAVE|CLIENT|CONFIG|DEBUG|INFO|SLOWLOG|XINFO|vmstat|kubectl|docker|select|update)\b/;

/** Commands of a page in their order: code spans that begin with a program. */
export function runbookCommands(markdown: string): RunbookCommand[] {
  return markdown.split(/^#{2,3} /m).slice(1).flatMap((part) => {
    const section = part.split("\n", 1)[0] ?? "";
    return codeSpans(part).filter((span) => programs.test(span)).map((command) => ({ section, command }));
  });
}

function codeSpans(markdown: string): string[] {
  return [...markdown.matchAll(/`([^`]+)`/g)].map(([, span = ""]) => span.replaceAll(/\s+/g, " "));
}

/** Code spans that look like a command and cannot be run as they stand. */
export function commandFragments({ path, text }: SourceFile): string[] {
  return codeSpans(text).filter((span) => fragments.test(span))
    .map((span) => `${path} has '${span}', which no shell runs as it stands`);
}

/** Sections with commands that no state of the tests covers, and states for sections without any. */
export function untestedCommands(
  pages: readonly SourceFile[],
  covered: Readonly<Record<string, readonly string[]>>,
): string[] {
  const nameOf = ({ path }: SourceFile) => path.replace(/^.*\/(\w+)\.md$/, "$1");
  const wanted = new Set(
    pages.flatMap((page) => runbookCommands(page.text).map(({ section }) => `${nameOf(page)}: ${section}`)),
  );
  const found = new Set(
    Object.entries(covered).flatMap(([page, sections]) => sections.map((section) => `${page}: ${section}`)),
  );
  return [
    ...[...wanted].filter((one) => !found.has(one)).map((one) => `No test runs the commands of ${one}`),
    ...[...found].filter((one) => !wanted.has(one)).map((one) => `${one} has no commands to run`),
  ];
}
