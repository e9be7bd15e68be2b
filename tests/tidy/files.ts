/**
 * The repository as the house rules see it: paths and texts, and a text without its comments.
 *
 * @module
 */

/** One file. Rules are functions of it, so each can be shown a file that breaks it. */
export interface SourceFile {
  /** From the repository's root, with slashes. */
  readonly path: string;
  readonly text: string;
}

/** Scripts of earlier versions, as they were: no rule of today applies to them. */
const released = "lua/previous";

/** Reads every file that `.gitignore` does not name. */
export function readRepository(root: URL): SourceFile[] {
  const ignored = ignoredBy(Deno.readTextFileSync(new URL(".gitignore", root)));
  const files: SourceFile[] = [];
  const walk = (folder: string) => {
    for (const entry of Deno.readDirSync(new URL(folder || ".", root))) {
      const path = folder + entry.name;
      if (ignored(entry.name) || path === released) continue;
      if (entry.isDirectory) walk(`${path}/`);
      else if (entry.isFile) files.push({ path, text: Deno.readTextFileSync(new URL(path, root)) });
    }
  };
  walk("");
  return files;
}

/** Whether `.gitignore` leaves out a file or folder, by its name: our patterns are names and `*.ending`. */
export function ignoredBy(gitignore: string): (name: string) => boolean {
  const lines = gitignore.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  const names = new Set([".git", ...lines.map((line) => line.replaceAll("/", ""))]);
  const endings = lines.filter((line) => line.startsWith("*")).map((line) => line.slice(1));
  return (name) => names.has(name) || endings.some((ending) => name.endsWith(ending));
}

/** Whether a file is a test, a benchmark or a part of one: such files may do what the product may not. */
export function isTestCode(path: string): boolean {
  return /^(tests|tools|bench)\/|_(test|bench)\.ts$/.test(path);
}

// A text first, so that slashes inside one do not begin a comment. Templates are taken whole: one inside
// another splits at its marks, which come in pairs, so what follows is still read correctly.
const textOrComment =
  /("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`)|\/\*[\s\S]*?\*\/|\/\/[^\n]*/g;

/** TypeScript without its comments. */
export function withoutComments(source: string): string {
  return source.replace(textOrComment, (_, text?: string) => text ?? "");
}

/** TypeScript without its comments and without the contents of its texts. */
export function codeOnly(source: string): string {
  return source.replace(textOrComment, (_, text?: string) => text === undefined ? "" : '""');
}

/** The comments of a file, each without its marks. */
export function commentsOf({ path, text }: SourceFile): string[] {
  if (path.endsWith(".ts")) {
    const comments = [...text.matchAll(textOrComment)].filter(([, literal]) => literal === undefined);
    return comments.map(([comment]) => comment.replace(/^\/[/*]+|\*\/$/g, "").trim());
  }
  if (!/\.(lua|sql)$/.test(path)) return [];
  return [...text.matchAll(/--(?!\[)[ \t]*([^\n]*)/g)].map(([, comment = ""]) => comment.trim());
}
