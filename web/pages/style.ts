// Style: what the plain pages share. A constant of our own, allowed by its hash in their Content-Security-Policy.

export const STYLE = `
:root { color-scheme: light dark; --ink: light-dark(#1c1917, #f5f5f4); --soft: light-dark(#57534e, #a8a29e);
  --card: light-dark(#fff, #1c1917); --paper: light-dark(#fafaf9, #0c0a09); --line: light-dark(#e7e5e4, #292524); }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 14px/1.5 system-ui, sans-serif; }
main { max-width: 46rem; margin: 0 auto; padding: 2rem 1rem 4rem; }
main, section { display: grid; grid-template-columns: minmax(0, 1fr); gap: 1rem; }
h1 { font-size: 22px; margin: 0; } h2 { font-size: 15px; margin: 0; } p { margin: 0; } .soft { color: var(--soft); }
section { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 1rem; gap: .5rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 13px; }
th, td { text-align: left; padding: .35rem .5rem; border-top: 1px solid var(--line); overflow-wrap: anywhere; vertical-align: baseline; }
.parts { overflow-wrap: normal; }
thead th { border-top: 0; color: var(--soft); font-weight: 500; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
pre { margin: 0; padding: .75rem; white-space: pre-wrap; overflow-wrap: anywhere; background: var(--paper); border: 1px solid var(--line); border-radius: 6px; }
pre + p { margin-top: .5rem; }
a { color: inherit; }
form { display: grid; gap: .5rem; justify-items: start; } label { display: grid; gap: .25rem; width: 100%; max-width: 24rem; }
input { font: inherit; padding: .5rem; color: inherit; background: var(--paper); border: 1px solid var(--soft); border-radius: 6px; width: 100%; }
button { font: inherit; padding: .5rem 1rem; color: var(--card); background: var(--ink); border: 0; border-radius: 6px; cursor: pointer; }
[role=status] { overflow-wrap: anywhere; } [hidden] { display: none; }`;
