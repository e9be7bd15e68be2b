/**
 * Draws the results in docs/plots: for each NAME.json that an experiment has written, NAME.svg.
 *
 *     deno task bench:plots
 *
 * @module
 */
import { charts } from "./plots/charts.ts";
import { svgOf } from "./plots/svg.ts";

const folder = new URL("../docs/plots/", import.meta.url);
for (const { name } of Deno.readDirSync(folder)) {
  const [, kind = ""] = /^([a-z]+)[a-z-]*\.json$/.exec(name) ?? [];
  const chart = charts[kind];
  if (!chart) continue;
  const result = JSON.parse(Deno.readTextFileSync(new URL(name, folder)));
  Deno.writeTextFileSync(new URL(name.replace(/json$/, "svg"), folder), svgOf(chart(result)));
}
