/** The style sheet of the report: system fonts, one column, dark where the reader's system is, black on white on paper. */
export const REPORT_STYLE = `
:root { color-scheme: light dark; --paper: #fdfdfc; --ink: #22262a; --quiet: #626b73; --rule: #dfe2e4; --grid: #eceeef;
  --tone-0: #0b6aa8; --tone-1: #b4540a; --tone-2: #1e7d53; --tone-3: #a03a84; --tone-4: #6a5acd; --tone-5: #7a6a00 }
@media (prefers-color-scheme: dark) { :root {
  --paper: #16191c; --ink: #dfe3e6; --quiet: #98a2aa; --rule: #343a40; --grid: #262b30;
  --tone-0: #62b0e8; --tone-1: #eb9a56; --tone-2: #5fc394; --tone-3: #dd85c4; --tone-4: #a79cf0; --tone-5: #cdbb48 } }
* { box-sizing: border-box }
body { margin: 0 auto; padding: 2.5rem 1.5rem 4rem; max-width: 68rem; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", Arial, sans-serif;
  font-variant-numeric: tabular-nums; overflow-wrap: break-word }
h1 { font-size: 1.6rem; font-weight: 600; line-height: 1.25; margin: 0 0 .35rem }
h2 { font-size: 1.3rem; font-weight: 600; margin: 3rem 0 .25rem; padding-top: 1.5rem; border-top: 1px solid var(--rule) }
h3 { font-size: 1rem; font-weight: 600; margin: 2rem 0 .4rem }
p { margin: .25rem 0 .75rem; max-width: 46rem }
a { color: var(--tone-0) }
.quiet, figcaption small, td small { color: var(--quiet) }
small { font-size: .85em }
.wide { overflow-x: auto }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1rem }
th { font-weight: 500; color: var(--quiet); font-size: .87em; vertical-align: bottom }
td:first-child { font-size: .96em; min-width: 12rem }
th, td { text-align: right; padding: .34rem 0 .34rem 1rem; border-bottom: 1px solid var(--rule) }
td { vertical-align: top }
td:not(:first-child) { white-space: nowrap }
th:first-child, td:first-child { text-align: left; padding-left: 0 }
tr.exact td { font-weight: 600 }
table.queries th, table.queries td { font-size: .92em }
table.queries th:last-child, table.queries td:last-child { text-align: left; width: 42% }
table.queries td:last-child { white-space: normal }
table.queries td:first-child { width: 30% }
table.queries ol { margin: 0; padding: 0; list-style: none }
.relevant { color: var(--tone-2); font-weight: 600 }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(26rem, 100%), 1fr));
  gap: 1.75rem 2rem; margin: 1rem 0 }
figure { margin: 0 }
figcaption { font-weight: 600; margin-bottom: .35rem }
figcaption small { display: block; font-weight: 400 }
svg { display: block; width: 100%; height: auto; font-size: 11px; font-variant-numeric: tabular-nums; overflow: visible }
svg text { fill: var(--quiet) }
.grid { stroke: var(--grid) } .axis, .tick { stroke: var(--quiet) }
.reference { stroke: var(--quiet); stroke-dasharray: 4 3 }
.line { fill: none; stroke-width: 1.75; stroke-linejoin: round }
${[0, 1, 2, 3, 4, 5]
  .map(
    (tone) =>
      `.line.tone-${tone}, .ring.tone-${tone} { stroke: var(--tone-${tone}) } ` +
      `.disc.tone-${tone}, svg text.tone-${tone} { fill: var(--tone-${tone}) }`,
  )
  .join('\n')}
.ring { fill: var(--paper); stroke-width: 1.75 }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.25rem; margin: .5rem 0 }
dt { color: var(--quiet) } dd { margin: 0 }
code { font: .9em ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas, monospace }
@media print {
  :root { --paper: #fff; --ink: #000; --quiet: #444; --rule: #bbb; --grid: #ddd; --tone-0: #0b6aa8; --tone-1: #b4540a;
    --tone-2: #1e7d53; --tone-3: #a03a84; --tone-4: #6a5acd; --tone-5: #7a6a00 }
  body { font-size: 9pt; padding: 0; max-width: none }
  .wide { overflow: visible } thead { display: table-header-group } h3 + p { break-after: avoid }
  h2 { break-before: page; border: 0; padding: 0; margin-top: 0 } h2:first-of-type { break-before: auto; margin-top: 2rem }
  h2, h3 { break-after: avoid } figure, tr, dl { break-inside: avoid } .plots { grid-template-columns: 1fr 1fr; gap: 1rem }
  @page { margin: 16mm }
}
`
