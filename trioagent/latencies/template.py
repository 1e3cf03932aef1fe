"""The page's style, script and skeleton. `{…}` of the skeleton are filled by `page`."""

from __future__ import annotations

STYLE = """
:root {
  color-scheme: light dark;
  --ground: #f4f5f7; --card: #ffffff; --ink: #1b1f26; --muted: #626b78;
  --line: #e2e5ea; --better: #1d7a50; --worse: #b93a36;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #0f1115; --card: #15181e; --ink: #e8ebf0; --muted: #98a1ae;
    --line: #2a2f38; --better: #58c08f; --worse: #f08480;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; max-width: 1180px; padding: 32px 20px 64px;
  background: var(--ground); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
}
h1 { margin: 0 0 4px; font-size: 26px; letter-spacing: -0.01em; }
h2 { margin: 0; font-size: 17px; }
p { margin: 4px 0 12px; color: var(--muted); }
section {
  margin-top: 20px; padding: 20px 22px; overflow-x: auto;
  background: var(--card); border: 1px solid var(--line); border-radius: 12px;
}
header p { margin-bottom: 0; }
.bar { display: flex; flex-wrap: wrap; gap: 8px 16px; align-items: baseline;
  justify-content: space-between; }
.facts { display: flex; flex-wrap: wrap; gap: 6px 32px; margin-top: 10px; }
.facts div { min-width: 96px; }
.facts b { display: block; font-size: 24px; font-weight: 600; line-height: 1.25;
  font-variant-numeric: tabular-nums; }
.facts span { color: var(--muted); font-size: 13px; }
.facts .lead b { font-size: 34px; line-height: 1.1; }
.swatch { display: inline-block; width: 11px; height: 11px; margin-right: 7px;
  border-radius: 3px; }
select {
  padding: 6px 10px; border: 1px solid var(--line); border-radius: 8px;
  background: var(--ground); color: var(--ink); font: inherit;
}
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 6px 10px; text-align: right; border-bottom: 1px solid var(--line);
  white-space: nowrap; }
tbody tr:last-child td { border-bottom: 0; }
th { color: var(--muted); font-weight: 500; font-size: 13px; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
td.text, th.text { text-align: left; color: var(--muted); white-space: normal; }
tr.group td { padding-top: 18px; color: var(--muted); font-size: 13px; }
tr.headline td { font-weight: 600; }
.verdict { display: inline-block; padding: 1px 9px; border-radius: 99px;
  white-space: nowrap;
  border: 1px solid var(--line); color: var(--muted); font-size: 13px; }
.verdict.better { color: var(--better); border-color: currentColor; }
.verdict.worse { color: var(--worse); border-color: currentColor; }
svg.interval { display: block; width: 150px; height: 16px; }
svg.interval .zero { stroke: var(--muted); opacity: 0.55; }
svg.interval .span { stroke: currentColor; stroke-width: 2; stroke-linecap: round; }
svg.interval circle { fill: currentColor; }
svg.better { color: var(--better); } svg.worse { color: var(--worse); }
svg.neither { color: var(--muted); }
[class$="tick"] text, .legendtext, [class^="g-x"] text, [class^="g-y"] text {
  fill: var(--ink) !important; }
footer { margin-top: 20px; color: var(--muted); font-size: 13px; }
"""

SCRIPT = """
const byId = (id) => document.getElementById(id);
const views = JSON.parse(byId("views").textContent);
const choose = byId("metric-select");
choose.addEventListener("change", () => {
  const view = views[choose.value];
  const drawn = byId("histogram").data.map((trace) => trace.meta === choose.value);
  byId("metric-meaning").textContent = view.meaning;
  Plotly.update("histogram", {visible: drawn},
    {shapes: view.shapes, "xaxis.autorange": true, "yaxis.autorange": true});
});
const sort = byId("ledger-sort");
if (sort) sort.addEventListener("change", () => {
  const axes = Object.keys(byId("ledger").layout).filter((k) => k.startsWith("xaxis"));
  const order = axes.map((axis) => [axis + ".categoryorder", sort.value]);
  Plotly.relayout("ledger", Object.fromEntries(order));
});
"""

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<header>
<h1>Latency</h1>
<p>From the end of speech to the first audio of the reply, by the agent's own clock.</p>
</header>
{sections}
<footer>Medians and percentiles of the turns in which it happened. Written by
trioagent latency.</footer>
<script id="views" type="application/json">{views}</script>
<script>{script}</script>
</body>
</html>
"""
