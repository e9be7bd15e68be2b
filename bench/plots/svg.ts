/**
 * Plots as SVG texts: bars with their spread, and lines. Readable on a light and on a dark page.
 *
 * @module
 */

/** A value with its spread. */
export interface Bar {
  readonly name: string;
  readonly value: number;
  readonly low?: number;
  readonly high?: number;
  /** Index of its color; 0 when left out. */
  readonly color?: number;
}

/** Horizontal bars from zero. */
export interface BarChart {
  readonly title: string;
  readonly bars: readonly Bar[];
  /** A value that a line marks: 1 = as much as the other side. */
  readonly mark?: number;
  /** Digits after the point; 2 when left out. */
  readonly digits?: number;
}

/** One line of a chart. */
export interface Series {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

/** Lines over one axis. */
export interface LineChart {
  readonly title: string;
  readonly xTitle: string;
  readonly series: readonly Series[];
  /** Higher values end at the edge. */
  readonly yMax?: number;
  /** A value that a line marks. */
  readonly mark?: number;
}

/** One panel of a plot: its text, without the frame of an SVG. */
export interface Panel {
  readonly height: number;
  readonly body: string;
}

const width = 760;
const labelWidth = 250;
const valueWidth = 130;
const rowHeight = 22;
const titleHeight = 34;
const colors = 6;

// A palette that color-blind readers tell apart; the second set for a dark page.
const style = `
  text { font: 13px system-ui, sans-serif; fill: #24292f }
  .title { font-weight: 600; font-size: 14px }
  .small { font-size: 11px; fill: #57606a }
  .axis, .grid, .mark, .spread { stroke: #57606a; stroke-width: 1; fill: none }
  .grid { opacity: .25 } .mark { stroke-dasharray: 4 3 }
  .line { fill: none; stroke-width: 2 }
  ${palette(["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#6e7781"])}
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .small { fill: #9da7b3 }
    .axis, .grid, .mark, .spread { stroke: #9da7b3 }
    ${palette(["#56b4e9", "#ff9e4a", "#2cc69b", "#e5a3c7", "#e6c229", "#a8b1bb"])}
  }`;

function palette(values: readonly string[]): string {
  return values.map((value, i) => `.f${i} { fill: ${value} } .s${i} { stroke: ${value} }`).join(" ");
}

/** Text as SVG shows it. */
export function escapeText(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll(
    '"',
    "&quot;",
  );
}

/** A round step that divides `max` into about `count` parts. */
export function niceStep(max: number, count: number): number {
  if (!(max > 0)) return 1;
  const magnitude = 10 ** Math.floor(Math.log10(max / count));
  const parts = max / count / magnitude;
  return magnitude * (parts <= 1 ? 1 : parts <= 2 ? 2 : parts <= 5 ? 5 : 10);
}

/** A file with all panels, one above the other. */
export function svgOf(panels: readonly Panel[]): string {
  let top = 8;
  const parts = panels.map(({ height, body }) => {
    const part = `<g transform="translate(0 ${top})">${body}</g>`;
    top += height + 14;
    return part;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${top}" width="${width}" role="img">` +
    `<style>${style}</style>\n${parts.join("\n")}\n</svg>\n`;
}

/** Bars, the longest as wide as the plot. */
export function barPanel({ title, bars, mark, digits = 2 }: BarChart): Panel {
  const finite = bars.flatMap(({ value, high = value }) => [value, high]).filter(Number.isFinite);
  const max = Math.max(...finite, mark ?? 0, Number.MIN_VALUE);
  const room = width - labelWidth - valueWidth;
  const x = (value: number) => round(labelWidth + Math.min(Math.max(value, 0) / max, 1) * room);
  const rows = bars.map(({ name, value, low = value, high = value, color = 0 }, i) => {
    const y = titleHeight + i * rowHeight;
    const spread = low === high ? "" : ` (${low.toFixed(digits)}–${high.toFixed(digits)})`;
    const whisker = low === high
      ? ""
      : `<path class="spread" d="M${x(low)} ${y + 8}H${x(high)}M${x(low)} ${y + 4}v8M${x(high)} ${
        y + 4
      }v8"/>`;
    return `<text x="${labelWidth - 8}" y="${y + 12}" text-anchor="end">${escapeText(name)}</text>` +
      `<rect class="f${color % colors}" x="${labelWidth}" y="${y}" width="${
        round(x(value) - labelWidth)
      }" height="16"/>` +
      whisker +
      `<text class="small" x="${width - valueWidth + 8}" y="${y + 12}">${
        value.toFixed(digits)
      }${spread}</text>`;
  });
  const height = titleHeight + bars.length * rowHeight;
  const marked = mark === undefined
    ? ""
    : `<path class="mark" d="M${x(mark)} ${titleHeight - 6}V${height}"/>`;
  return { height, body: titleOf(title) + rows.join("") + marked };
}

/** Lines with axes; a legend when there are several. */
export function linePanel({ title, xTitle, series, yMax, mark }: LineChart): Panel {
  const [left, right, top, bottom] = [64, width - 16, titleHeight + (series.length > 1 ? 18 : 0), 230];
  const points = series.flatMap(({ points }) => points);
  const highestX = Math.max(...points.map(([x]) => x), Number.MIN_VALUE);
  const highestY = yMax ??
    Math.max(...points.map(([, y]) => y).filter(Number.isFinite), mark ?? 0, Number.MIN_VALUE);
  const x = (value: number) => round(left + value / highestX * (right - left));
  const y = (value: number) => round(bottom - Math.min(value, highestY) / highestY * (bottom - top));
  const stepY = niceStep(highestY, 4);
  const stepX = niceStep(highestX, 6);
  const gridY = steps(stepY, highestY).map((value) =>
    `<path class="grid" d="M${left} ${y(value)}H${right}"/>` +
    `<text class="small" x="${left - 6}" y="${y(value) + 4}" text-anchor="end">${short(value)}</text>`
  );
  const gridX = steps(stepX, highestX).map((value) =>
    `<text class="small" x="${x(value)}" y="${bottom + 16}" text-anchor="middle">${short(value)}</text>`
  );
  const lines = series.map(({ points }, i) => {
    const way = points.filter(([, value]) => Number.isFinite(value)).map(([at, value]) =>
      `${x(at)} ${y(value)}`
    );
    return `<path class="line s${i % colors}" d="M${way.join("L")}"/>`;
  });
  const legend = series.length < 2 ? [] : series.map(({ name }, i) => {
    const at = left + i * 150;
    return `<rect class="f${i % colors}" x="${at}" y="${titleHeight - 8}" width="12" height="12"/>` +
      `<text class="small" x="${at + 17}" y="${titleHeight + 2}">${escapeText(name)}</text>`;
  });
  const marked = mark === undefined ? "" : `<path class="mark" d="M${left} ${y(mark)}H${right}"/>`;
  const axes = `<path class="axis" d="M${left} ${top}V${bottom}H${right}"/>` +
    `<text class="small" x="${right}" y="${bottom + 32}" text-anchor="end">${escapeText(xTitle)}</text>`;
  return {
    height: bottom + 36,
    body: titleOf(title) + [...gridY, ...gridX, axes, marked, ...lines, ...legend].join(""),
  };
}

function titleOf(title: string): string {
  return `<text class="title" x="8" y="16">${escapeText(title)}</text>`;
}

function steps(step: number, max: number): number[] {
  return Array.from({ length: Math.floor(max / step + 1e-9) + 1 }, (_, i) => i * step);
}

function short(value: number): string {
  return Number(value.toPrecision(6)).toLocaleString("en-US");
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
