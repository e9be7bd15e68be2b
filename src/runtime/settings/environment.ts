/**
 * The environment as text, and errors in it. No other file reads it.
 *
 * @module
 */
import { type Setting, settings } from "./rows.ts";

/** One invalid variable. */
export interface SettingProblem {
  /** The variable. */
  readonly name: string;
  /** Continues the sentence after "must be". */
  readonly rule: string;
  /** The value as it may be printed; null when it is unset, undefined when it must not be printed. */
  readonly value: string | null | undefined;
}

/** The environment is not usable; the message names all invalid variables. */
export class ConfigError extends Error {
  /** The class, for logs. */
  override name = "ConfigError";

  /**
   * @param problems at least one
   */
  constructor(readonly problems: readonly SettingProblem[]) {
    const lines = problems.map(({ name, rule, value }) =>
      `  ${name} must be ${rule}: ${
        value === null
          ? "it is unset"
          : `current value is ${value === undefined ? "not shown" : JSON.stringify(value)}`
      }`
    );
    super(`Cannot start as the settings are not usable:\n${lines.join("\n")}`);
  }
}

/** The variable that names a file with the value of a secret setting. */
function fileVariable(name: string): string {
  return `${name}_FILE`;
}

/**
 * The variables of {@link settings} as this process has them: no others, so no others need be allowed. A secret may
 * stand in a file that `<NAME>_FILE` names, as Docker and Kubernetes mount secrets; its last line break is left out.
 *
 * @throws {ConfigError} when a file cannot be read, or both variables are set
 */
export function readEnvironment(): Record<string, string | undefined> {
  const problems: SettingProblem[] = [];
  const values = Object.values(settings).map((setting: Setting<unknown>) => {
    const { name } = setting;
    const value = Deno.env.get(name);
    const file = setting.secret ? Deno.env.get(fileVariable(name)) : undefined;
    if (!file) return [name, value] as const;
    if (value) problems.push({ name: fileVariable(name), rule: `unset while ${name} is set`, value: file });
    return [name, readSecret(name, file, problems)] as const;
  });
  if (problems.length > 0) throw new ConfigError(problems);
  return Object.fromEntries(values);
}

const secretBytesMax = 128 * 1024;

function readSecret(name: string, file: string, problems: SettingProblem[]): string | undefined {
  try {
    if (Deno.statSync(file).size <= secretBytesMax) return Deno.readTextFileSync(file).replace(/\r?\n$/, "");
  } catch {
    // Reported below, by name.
  }
  const rule = `a file of at most ${secretBytesMax} bytes that can be read, with the value of ${name}`;
  problems.push({ name: fileVariable(name), rule, value: file });
  return undefined;
}
