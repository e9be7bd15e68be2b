/**
 * The style of the `/docs` page, light and dark.
 *
 * @module
 */

/** The contents of the page's `<style>`; the content security policy has its digest. */
export const docsStyle = `
:root { color-scheme: light dark; --line: #8884; --soft: #8881; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 60rem; padding: 1rem; font: 16px/1.5 system-ui, sans-serif; }
h1, h2, h3 { line-height: 1.2; }
h2 { margin-top: 3rem; border-bottom: 1px solid var(--line); }
h3 { margin-top: 2.5rem; overflow-wrap: anywhere; }
code, pre { font: 0.875em/1.5 ui-monospace, monospace; }
pre { padding: 0.75rem; overflow: auto; background: var(--soft); border-radius: 4px; }
table { border-collapse: collapse; width: 100%; }
th, td { padding: 0.3rem 0.6rem; text-align: left; vertical-align: top; border-top: 1px solid var(--line); }
nav ul { padding: 0; list-style: none; }
summary { cursor: pointer; padding: 0.2rem 0; }
.method { display: inline-block; min-width: 3.5em; font-weight: 700; }
.wide { overflow-x: auto; }
`;
