/**
 * The live page: one document that loads nothing, so it works offline and under the strictest policy.
 *
 * @module
 */
import { liveScript } from "./script.ts";
import { liveStyle } from "./style.ts";

/** A list of values that the script fills in by id. */
function list(...rows: readonly (readonly [id: string, label: string])[]): string {
  return `<dl>${rows.map(([id, label]) => `<dt>${label}</dt><dd id="${id}">–</dd>`).join("")}</dl>`;
}

export const livePage: string = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Holdfast: live</title>
<style>${liveStyle}</style>
</head>
<body>
<header>
<h1>Holdfast, live</h1>
<p><span id="state" role="status">connecting</span> <span id="at"></span></p>
</header>
<noscript><p>This page needs scripts. The same values: <code>curl -N …/ops/stream</code></p></noscript>
<form id="login" hidden>
<label for="token">Token with the scope <code>read</code></label>
<input id="token" type="password" autocomplete="off" required>
<button>Look</button>
</form>
<main class="grid">
<section aria-labelledby="h-sales">
<h2 id="h-sales">Sales a second</h2>
<p class="big" id="asked">–</p>
${list(["accepted", "accepted"], ["refused", "refused"], ["failed", "failed"])}
</section>
<section aria-labelledby="h-latency">
<h2 id="h-latency">Latency, ms</h2>
<p class="big" id="p50">–</p>
<p class="note">median of the last 10 s</p>
${list(["p95", "p95"], ["p99", "p99"], ["max", "slowest"])}
</section>
<section aria-labelledby="h-lag">
<h2 id="h-lag">Log lag, events</h2>
<p class="big" id="lag">–</p>
${list(["behind", "shards behind"], ["dead", "dead letters"])}
</section>
<section aria-labelledby="h-process">
<h2 id="h-process">Shards that sell</h2>
<p class="big" id="armed">–</p>
${list(["waiting", "commands waiting"], ["cache", "sold out, from memory"])}
</section>
<section class="wide" aria-labelledby="h-graph">
<h2 id="h-graph">Sales a second, last 60 s</h2>
<svg viewBox="0 0 59 100" preserveAspectRatio="none" role="img" aria-labelledby="h-graph peak">
<polyline id="line" points=""></polyline>
</svg>
<p class="note" id="peak">nothing yet</p>
</section>
<section class="wide" aria-label="Top SKUs">
<table>
<caption>Top SKUs, last 10 s</caption>
<thead><tr><th scope="col">SKU</th><th scope="col" class="number">units</th><th scope="col" class="number">refused</th>
<th scope="col" class="number">left</th></tr></thead>
<tbody id="skus"></tbody>
</table>
</section>
</main>
<p class="note">Sales, latency and SKUs are those of the process that serves this page, from when the first viewer opened it.
Lag and dead letters are read from the ledger: those of the whole deployment.</p>
<script>${liveScript}</script>
</body>
</html>
`;
