// The page's style: the system's fonts, light or dark as the reader's system is.

export const PAGE_STYLE = `
:root { --ink: #1c2430; --paper: #fff; --faint: #6a7482; --line: #d8dde4; --good: #1a7f42; --bad: #c22b2b; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e8ee; --paper: #14181f; --faint: #97a1b0; --line: #313946; --good: #57c785; --bad: #ff7b72; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem; max-width: 80rem; color: var(--ink); background: var(--paper);
  font: 15px/1.45 system-ui, sans-serif; }
h1 { margin: 0; font-size: 1.5rem; }
h2 { margin: 2rem 0 .5rem; font-size: 1.1rem; }
header p { margin: .3rem 0; color: var(--faint); }
.good { color: var(--good); }
.bad { color: var(--bad); }
header p.note { padding: .3rem .7rem; border-left: 3px solid currentColor; color: var(--ink); }
header p.note.bad { color: var(--bad); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .7rem; border-bottom: 1px solid var(--line); text-align: right;
  white-space: pre-wrap; vertical-align: top; }
th { color: var(--faint); font-weight: 500; }
th:first-child, td:first-child { text-align: left; }
.last-bold td { white-space: nowrap; }
.last-bold tr:last-child td { font-weight: 600; }
#charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 34rem), 1fr)); gap: 1rem; }
.uplot, .u-legend { font-family: inherit; }
.u-title { font-size: 1rem; font-weight: 500; }
`;
