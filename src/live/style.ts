/**
 * The style of the live page, light and dark.
 *
 * @module
 */

/** The content of the page's `<style>`; the content security policy has its hash. */
export const liveStyle = `
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --bad: #b42318; --good: #067647; --mark: #2f6fdb; }
@media (prefers-color-scheme: dark) { :root { --bad: #ff8a80; --good: #5fd39a; --mark: #8ab4ff; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 68rem; padding: 1rem; font: 16px/1.5 system-ui, sans-serif; }
header { display: flex; flex-wrap: wrap; gap: 0 1rem; align-items: baseline; justify-content: space-between; }
h1 { margin: 0; font-size: 1.4rem; }
h2 { margin: 0 0 0.5rem; font-size: 1rem; }
form { margin: 1rem 0; display: flex; flex-wrap: wrap; gap: 0.5rem; align-items: center; }
input, button { font: inherit; padding: 0.3rem 0.6rem; }
[hidden] { display: none; }
:focus-visible { outline: 3px solid var(--mark); outline-offset: 2px; }
.grid { display: grid; gap: 1rem; margin: 1rem 0; grid-template-columns: repeat(auto-fit, minmax(15rem, 1fr)); }
section { padding: 1rem; border: 1px solid var(--line); border-radius: 8px; background: var(--soft); }
.wide { grid-column: 1 / -1; overflow-x: auto; }
.big { margin: 0; font-size: 2.2rem; line-height: 1.2; font-variant-numeric: tabular-nums; }
dl { margin: 0.5rem 0 0; display: grid; grid-template-columns: 1fr auto; gap: 0 1rem; }
dd { margin: 0; text-align: right; font-variant-numeric: tabular-nums; }
table { border-collapse: collapse; width: 100%; }
th, td { padding: 0.3rem 0.6rem; text-align: left; border-top: 1px solid var(--line); overflow-wrap: anywhere; }
th.number, td.number { text-align: right; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 700; padding-bottom: 0.5rem; }
svg { display: block; width: 100%; height: 5rem; }
polyline { fill: none; stroke: var(--mark); stroke-width: 2; vector-effect: non-scaling-stroke; }
.bad { color: var(--bad); font-weight: 700; }
.good { color: var(--good); font-weight: 700; }
.note { margin: 0.5rem 0 0; font-size: 0.875rem; }
`;
