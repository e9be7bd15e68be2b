/**
 * House rules about documents: what they say of the code is true of it.
 *
 * @module
 */
import { type SourceFile, withoutComments } from "./files.ts";

/** One setting, as far as docs/settings.md repeats it. */
export interface DocumentedSetting {
  readonly name: string;
  readonly default: string | null;
  readonly meaning: string;
}

/** Rows of the tables of a section, cells trimmed, heads and rules left out. */
export function tableRows(markdown: string, heading: string): string[][] {
  const lines = markdown.split("\n");
  const start = lines.findIndex((line) => /^#+ /.test(line) && line.replace(/^#+ /, "") === heading);
  if (start < 0) return [];
  const length = lines.slice(start + 1).findIndex((line) => /^#{1,2} /.test(line));
  const section = lines.slice(start + 1, length < 0 ? undefined : start + 1 + length);
  const isRule = (line: string | undefined) => line !== undefined && /^\|[-| :]+\|$/.test(line);
  return section
    .filter((line, i) => line.startsWith("|") && !isRule(line) && !isRule(section[i + 1]))
    .map((line) => line.slice(1, -1).split("|").map((cell) => cell.trim()));
}

/** The table of docs/settings.md has the rows of the settings, word by word, and no others. */
export function settingsDrift(markdown: string, settings: readonly DocumentedSetting[]): string[] {
  const wanted = settings.map(({ name, default: value, meaning }) =>
    `| \`${name}\` | ${value === null ? "unset" : `\`${value}\``} | ${meaning} |`
  );
  const found = tableRows(markdown, "Settings").map((cells) => `| ${cells.join(" | ")} |`);
  return [
    ...wanted.filter((row) => !found.includes(row)).map((row) => `docs/settings.md lacks ${row}`),
    ...found.filter((row) => !wanted.includes(row)).map((row) => `docs/settings.md has a stray ${row}`),
  ];
}

/** The tests that a document names: list items that are one code span, under a line "Tests:". */
export function namedTests(markdown: string): string[] {
  const lists = [...markdown.matchAll(/^Tests:\n\n((?:- .*\n?)+)/gm)].map(([, list = ""]) => list);
  return lists.flatMap((list) => [...list.matchAll(/^- `([^`]+)`$/gm)].map(([, name = ""]) => name));
}

/** Headings of failures under which no test is named. */
export function untestedFailures(markdown: string): string[] {
  return markdown.split(/^## /m).slice(1)
    .filter((section) => namedTests(section).length === 0)
    .map((section) => `No test is named under '${section.split("\n", 1)[0]}'`);
}

/** Titles of the tests in a file, as patterns: what a template puts in may be anything. */
export function testTitles({ path, text }: SourceFile): RegExp[] {
  if (!path.endsWith(".ts")) return [];
  // `test(…)` is a suite's own, which puts the name of what is tested in front of its titles.
  const calls = /(?<![\w.])(Deno\.test|test)\(\s*(?:\{\s*name:\s*)?("(?:\\.|[^"\\])*"|`(?:\\.|[^`\\])*`)/g;
  return [...withoutComments(text).matchAll(calls)].map(([, call, literal = ""]) => {
    const title = literal.slice(1, -1).replaceAll(/\\(.)/g, "$1");
    const pattern = title.split(/\$\{[^}]*\}/).map((part) => RegExp.escape(part)).join(".+");
    return new RegExp(`^${call === "test" ? "(?:.+: )?" : ""}${pattern}$`);
  });
}

/** Tests that a document names and that do not exist. */
export function missingTests(names: readonly string[], files: readonly SourceFile[]): string[] {
  const titles = files.flatMap(testTitles);
  return names.filter((name) => !titles.some((title) => title.test(name)))
    .map((name) => `No test has the title '${name}'`);
}

/** Files that a document leads to, by link or by name, and that are not there. */
export function deadReferences({ path, text }: SourceFile, paths: ReadonlySet<string>): string[] {
  if (!path.endsWith(".md")) return [];
  const prose = text.replaceAll(/^```[\s\S]*?^```/gm, "");
  const links = [...prose.matchAll(/\]\((?!https?:|#)([^)#\s]+)[^)]*\)/g)].map(([, target = ""]) =>
    new URL(target, `file:///${path}`).pathname.slice(1)
  );
  const names = [...prose.matchAll(/`((?:src|lua|tests|bench|docs)\/[\w./-]*)`/g)].map(([, name = ""]) =>
    name
  );
  const exists = (target: string) =>
    paths.has(target) || [...paths].some((known) => known.startsWith(`${target.replace(/\/$/, "")}/`));
  return [...links, ...names].filter((target) => !exists(target))
    .map((target) => `${path} leads to ${target}, which does not exist`);
}

/** Files that a comment or document names in backticks without their folder, as `relay.ts`, and that are gone. */
export function goneFileNames({ path, text }: SourceFile, paths: ReadonlySet<string>): string[] {
  if (path === "CHANGELOG.md" || path.startsWith("tests/tidy/")) return [];
  const known = new Set([...paths].map((file) => file.replace(/^.*\//, "")));
  return [...text.matchAll(/`([a-z][a-z0-9_]*\.(?:ts|lua|sql|conf))`/g)].map(([, name = ""]) => name)
    .filter((name) => !known.has(name)).map((name) => `${path} names ${name}, which does not exist`);
}

/** Log lines that a document names, as in: logs `shard armed`. The source must have each as one string. */
export function goneLogLines({ path, text }: SourceFile, sources: readonly SourceFile[]): string[] {
  if (!path.endsWith(".md") || path === "CHANGELOG.md") return [];
  return [...text.matchAll(/\blog(?:s|\s+lines?)\s+`([^`]+)`/g)].map(([, line = ""]) =>
    line.replaceAll(/\s+/g, " ")
  )
    .filter((line) => !sources.some((file) => file.text.includes(`"${line}"`)))
    .map((line) => `${path} names the log line '${line}', which nothing writes`);
}

/** Headings that a document leads to, in itself or in another document, and that are not there. */
export function deadAnchors({ path, text }: SourceFile, files: readonly SourceFile[]): string[] {
  if (!path.endsWith(".md")) return [];
  const links = [...text.matchAll(/\]\((?!https?:)([^)#\s]*)#([^)\s]+)\)/g)];
  return links.flatMap(([, target = "", anchor = ""]) => {
    const document = new URL(target || path.replace(/^.*\//, ""), `file:///${path}`).pathname.slice(1);
    const found = files.find((file) => file.path === document);
    if (!found || anchorsOf(found.text).includes(anchor)) return [];
    return [`${path} leads to #${anchor}, which ${document} has not`];
  });
}

/** The anchors of a document's headings, as GitHub makes them. */
function anchorsOf(markdown: string): string[] {
  return [...markdown.matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) =>
    heading.toLowerCase().replaceAll(/[^\w\- ]/g, "").replaceAll(" ", "-")
  );
}

/** Most lines of README: the front page. */
const frontPageMax = 130;

/** A front page that is none any more. */
export function tooLongFrontPage(readme: string): string[] {
  const lines = readme.trimEnd().split("\n").length;
  return lines > frontPageMax
    ? [`README has ${lines} lines: at most ${frontPageMax}, the rest belongs in docs/`]
    : [];
}

/**
 * Decision records have a title, a status with its date and all parts; the index has each number once, those of merged
 * records included.
 */
export function brokenRecords(files: readonly SourceFile[]): string[] {
  const index = files.find(({ path }) => path === "docs/adr/README.md")?.text ?? "";
  const records = files.filter(({ path }) => /^docs\/adr\/(?!README)/.test(path));
  const rows = tableRows(index, "Decisions");
  return [
    ...rows.filter(([number], i) => number !== String(i + 1))
      .map(([number]) => `docs/adr/README.md has number ${number} in the wrong place`),
    ...records.flatMap(({ path, text }) => {
      const [, number = "", name = ""] = /^docs\/adr\/0*(\d+)(-[a-z0-9-]+\.md)$/.exec(path) ?? [];
      const problems: string[] = [];
      if (name === "") problems.push("is not named NNNN-title.md");
      const [, title = "", status = "", date = ""] =
        /^# \d+\. (.+)\n\nStatus: (accepted|superseded by \d+), (\d{4}-\d\d-\d\d)\n/.exec(text) ?? [];
      if (!text.startsWith(`# ${number}. `)) problems.push(`has no title '# ${number}. …'`);
      if (status === "") problems.push("has no line 'Status: accepted, <date>' below its title");
      for (const part of ["Context", "Decision", "Measured", "Consequences", "What would change it"]) {
        if (!text.includes(`\n## ${part}\n`)) problems.push(`does not say '${part}'`);
      }
      const row = `${number} | [${title}](${path.replace("docs/adr/", "")}) | ${status} | ${date}`;
      if (!rows.some((cells) => cells.join(" | ") === row)) {
        problems.push("is not in docs/adr/README.md as it is");
      }
      return problems.map((problem) => `${path} ${problem}`);
    }),
  ];
}

/** Tasks that a document tells people to run and that do not exist. */
export function unknownTasks(markdown: SourceFile, tasks: readonly string[]): string[] {
  const named = [...markdown.text.matchAll(/\bdeno task (\w+)/g)].map(([, task = ""]) => task);
  return named.filter((task) => !tasks.includes(task)).map((task) =>
    `${markdown.path} names a task that does not exist: ${task}`
  );
}
