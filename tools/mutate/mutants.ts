/**
 * Small slips in TypeScript, Lua and SQL, made textually: one operator, bound, condition or statement each.
 *
 * @module
 */

/** One slip in one line of a file. */
export interface Mutant {
  readonly path: string;
  /** From 1. */
  readonly line: number;
  /** What kind of slip it is. */
  readonly operator: string;
  /** The line as it is, and as the slip makes it, without the white space around them. */
  readonly before: string;
  readonly after: string;
  /** How many slips before it in the file have the same texts. */
  readonly nth: number;
  /** The whole file with the slip. */
  readonly text: string;
}

/** Replaces one match of a pattern in the code of a line. */
interface Replacement {
  readonly operator: string;
  readonly pattern: RegExp;
  readonly by: string;
}

/** Removes a whole line that is one statement. */
interface Removal {
  readonly operator: string;
  readonly pattern: RegExp;
}

interface Language {
  /** Comments, and texts whose contents are no code. */
  readonly noCode: RegExp;
  readonly replacements: readonly Replacement[];
  readonly removals: readonly Removal[];
}

/** Two operators that are mistaken for one another. */
function swapped(operator: string, a: string, b: string): Replacement[] {
  const exactly = (text: string) => new RegExp(` ${text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")} `, "g");
  return [
    { operator, pattern: exactly(a), by: ` ${b} ` },
    { operator, pattern: exactly(b), by: ` ${a} ` },
  ];
}

const bounds = [...swapped("bound", "<", "<="), ...swapped("bound", ">", ">=")];
const arithmetic = swapped("arithmetic", "+", "-");

const typescript: Language = {
  noCode: /"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`|\/\*[\s\S]*?\*\/|\/\/[^\n]*/g,
  replacements: [
    ...bounds,
    ...arithmetic,
    ...swapped("equality", "===", "!=="),
    ...swapped("logic", "&&", "||"),
    { operator: "extreme", pattern: /\bMath\.max\(/g, by: "Math.min(" },
    { operator: "extreme", pattern: /\bMath\.min\(/g, by: "Math.max(" },
    {
      operator: "condition",
      pattern: /(?<=\bif \()(?=[^\n]*\) (?:\{|return|continue|break|throw))/g,
      by: "!!0 && ",
    },
    { operator: "off by one", pattern: /(?<=[\w)\]]\.seq)(?= [<>=!+-])/g, by: " + 1" },
  ],
  removals: [
    { operator: "guard removed", pattern: /^\s*if \([^\n]*\) (?:return|continue|break|throw)\b[^\n]*;$/ },
    {
      operator: "statement removed",
      pattern: /^\s*(?:await |void )?(?:this\.|[\w#]+\.)*[\w#?!]+\([^\n]*\);$/,
    },
    { operator: "statement removed", pattern: /^\s*this\.[#\w.]+ (?:[-+?]{0,2})= [^\n]*;$/ },
  ],
};

const lua: Language = {
  noCode: /--\[=\[[\s\S]*?\]=\]|--[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'/g,
  replacements: [
    ...bounds,
    ...arithmetic,
    ...swapped("equality", "==", "~="),
    ...swapped("logic", "and", "or"),
    { operator: "extreme", pattern: /\bmath\.max\(/g, by: "math.min(" },
    { operator: "extreme", pattern: /\bmath\.min\(/g, by: "math.max(" },
    { operator: "condition", pattern: /(?<=\bif )(?=[^\n]* then\b)/g, by: "false and " },
    { operator: "negation", pattern: /\bnot (?=[\w(])/g, by: "" },
  ],
  removals: [
    { operator: "guard removed", pattern: /^\s*if [^\n]* then return\b[^\n]* end$/ },
    { operator: "statement removed", pattern: /^\s*(?:redis\.call|write_flat|[a-z_]+)\([^\n]*\)$/ },
    {
      operator: "statement removed",
      pattern: /^\s*(?!local |return )[\w.[\]#]+(?:, [\w.[\]]+)* = [^\n{]*[^,{]$/,
    },
  ],
};

const sql: Language = {
  noCode: /--[^\n]*|'(?:''|[^'])*'/g,
  replacements: [
    ...bounds,
    ...arithmetic,
    ...swapped("equality", "=", "<>"),
    ...swapped("logic", "and", "or"),
    { operator: "lock removed", pattern: / for update\b/g, by: "" },
    { operator: "extreme", pattern: /\bgreatest\(/g, by: "least(" },
    { operator: "extreme", pattern: /\bleast\(/g, by: "greatest(" },
    { operator: "extreme", pattern: /\bmax\(/g, by: "min(" },
    { operator: "negation", pattern: /\bis not null\b/g, by: "is null" },
    { operator: "negation", pattern: /\bnot exists\b/g, by: "exists" },
  ],
  removals: [{ operator: "condition removed", pattern: /^\s*and [^\n;]*[^;,(]$/ }],
};

function languageOf(path: string): Language | undefined {
  if (path.endsWith(".ts")) return typescript;
  if (path.endsWith(".lua")) return lua;
  return path.endsWith(".sql") ? sql : undefined;
}

/** Every slip that can be made in a file, in the order of its lines. */
export function mutantsOf(path: string, text: string): Mutant[] {
  const language = languageOf(path);
  if (!language) return [];
  // The same length, with everything that is no code blanked: places in it are places in the text.
  const code = text.replace(language.noCode, (found) => found.replace(/[^\n]/g, "_"));
  const mutants: Mutant[] = [];
  const met = new Map<string, number>();
  let start = 0;
  text.split("\n").forEach((line, index) => {
    const visible = code.slice(start, start + line.length);
    const add = (operator: string, changed: string) => {
      const whole = text.slice(0, start) + changed + text.slice(start + line.length);
      const texts = { before: line.trim(), after: changed.trim() };
      const key = `${operator}\n${texts.before}\n${texts.after}`;
      const nth = met.get(key) ?? 0;
      met.set(key, nth + 1);
      mutants.push({ path, line: index + 1, operator, ...texts, nth, text: whole });
    };
    if (isCode(visible)) {
      for (const { operator, pattern, by } of language.replacements) {
        for (const { index: at, 0: found } of visible.matchAll(pattern)) {
          add(operator, line.slice(0, at) + by + line.slice(at + found.length));
        }
      }
      const removal = language.removals.find(({ pattern }) => pattern.test(visible));
      if (removal) add(removal.operator, "");
    }
    start += line.length + 1;
  });
  return mutants;
}

/** Not an import, a type or what is only shown to people. */
function isCode(line: string): boolean {
  return /\S/.test(line) &&
    !/^\s*(?:import|export (?:type|interface)|type|interface|readonly|\*|_+)\b/.test(line);
}
