/**
 * A rule for `deno lint`: a function has at most 70 lines. Exceptions are listed, each with a reason.
 *
 * @module
 */

const linesMax = 70;

/** Files whose functions may be longer, and why. */
const exceptions: readonly (readonly [path: RegExp, why: string])[] = [
  [/\/tests\/contract\/\w+_suite\.ts$/, "a suite registers its tests: each test has its own function"],
  [
    /\/tests\/(system|fault|telemetry|backends|contract)\/\w+\.ts$/,
    "one scenario on real servers, in its order",
  ],
  [/\/client\/real_app_test\.ts$/, "one scenario with every call of the client, in its order"],
];

const plugin: Deno.lint.Plugin = {
  name: "holdfast",
  rules: {
    "function-length": {
      create(context) {
        if (exceptions.some(([path]) => path.test(context.filename))) return {};
        const { text } = context.sourceCode;
        const check = (node: Deno.lint.Node) => {
          const [from, to] = node.range;
          let lines = 1;
          for (let at = text.indexOf("\n", from); at !== -1 && at < to; at = text.indexOf("\n", at + 1)) {
            lines++;
          }
          if (lines > linesMax) {
            context.report({
              node,
              message: `A function has at most ${linesMax} lines: this one has ${lines}`,
            });
          }
        };
        return { FunctionDeclaration: check, FunctionExpression: check, ArrowFunctionExpression: check };
      },
    },
  },
};

export default plugin;
