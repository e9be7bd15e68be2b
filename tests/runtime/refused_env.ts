/**
 * Environments that are refused, and a token for those that are not: for the tests of settings.
 *
 * @module
 */
import { ConfigError, loadConfig, type SettingProblem } from "../../src/runtime/settings/config.ts";

/** Variables by name. */
export type Env = Record<string, string | undefined>;

/** What is wrong with an environment. */
export function problemsOf(env: Env): readonly SettingProblem[] {
  try {
    loadConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

/** The variables that are wrong. */
export function namesOf(env: Env): string[] {
  return problemsOf(env).map((problem) => problem.name);
}

/** Accepted beyond loopback. */
export const strongToken: string = JSON.stringify({
  ["t".repeat(22)]: { name: "shop", scopes: ["read", "deduct"] },
});
