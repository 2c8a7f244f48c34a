// Home: a plain page with what runs and how to call it.
import type { HtmlEscapedString } from "hono/utils/html";

type VNode = HtmlEscapedString | Promise<HtmlEscapedString>;

export type HomeView = {
  version: string;
  mode: string;
  url: string;
  models: { id: string; nodes: number; context_length: number | null; demo: boolean }[];
  nodes: { name: string; slots: number; running: number; models: number }[];
};

const STYLE = `
:root { color-scheme: light dark; --ink: light-dark(#1c1917, #f5f5f4); --soft: light-dark(#57534e, #a8a29e);
  --card: light-dark(#fff, #1c1917); --paper: light-dark(#fafaf9, #0c0a09); --line: light-dark(#e7e5e4, #292524); }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 14px/1.5 system-ui, sans-serif; }
main { max-width: 46rem; margin: 0 auto; padding: 2rem 1rem 4rem; display: grid; gap: 1rem; }
h1 { font-size: 22px; margin: 0; } h2 { font-size: 15px; margin: 0; } p { margin: 0; } .soft { color: var(--soft); }
section { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 1rem; display: grid; gap: .5rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 13px; }
th, td { text-align: left; padding: .35rem .5rem; border-top: 1px solid var(--line); overflow-wrap: anywhere; }
thead th { border-top: 0; color: var(--soft); font-weight: 500; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
pre { margin: 0; padding: .75rem; white-space: pre-wrap; overflow-wrap: anywhere; background: var(--paper); border: 1px solid var(--line); border-radius: 6px; }
pre + p { margin-top: .5rem; }
a { color: inherit; }`;

export const HOME_STYLE = STYLE;

export function Home({ version, mode, url, models, nodes }: HomeView): VNode {
  const model = models[0];
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>infernet</title>
        {/* Our own constant, no text of anybody's. */}
        <style dangerouslySetInnerHTML={{ __html: STYLE }} />
      </head>
      <body>
        <main>
          <header>
            <h1>infernet</h1>
            <p class="soft">
              {version} · {mode} · {plural(nodes.length, "node")} online · {plural(models.length, "model")}
            </p>
          </header>
          <section aria-labelledby="call">
            <h2 id="call">How to call it</h2>
            {model ? (
              <pre>{curl(url, model.id)}</pre>
            ) : (
              <p>No model is served yet: start an inference server beside a node, or join a node.</p>
            )}
            <p class="soft">
              Any OpenAI client works with the base URL <code>{url}/v1</code> and a key from{" "}
              <code>infernet keys create NAME</code>. The API: <a href="/openapi.json">openapi.json</a>.
            </p>
          </section>
          <section aria-labelledby="models">
            <h2 id="models">Models</h2>
            <ModelTable models={models} />
          </section>
          <section aria-labelledby="nodes">
            <h2 id="nodes">Nodes</h2>
            <NodeTable nodes={nodes} />
          </section>
        </main>
      </body>
    </html>
  );
}

function ModelTable({ models }: Pick<HomeView, "models">): VNode {
  if (models.length === 0) return <p class="soft">None yet.</p>;
  return (
    <div class="scroll">
      <table>
        <thead>
          <tr>
            <th scope="col">Model</th>
            <th scope="col" class="n">
              Nodes
            </th>
            <th scope="col" class="n">
              Context
            </th>
          </tr>
        </thead>
        <tbody>
          {models.map((model) => (
            <tr key={model.id}>
              <td>
                {model.id}
                {model.demo && <span class="soft"> (demo model)</span>}
              </td>
              <td class="n">{model.nodes}</td>
              <td class="n">{model.context_length ?? "–"}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function NodeTable({ nodes }: Pick<HomeView, "nodes">): VNode {
  if (nodes.length === 0) return <p class="soft">None online. Make a join token with infernet join-token create.</p>;
  return (
    <div class="scroll">
      <table>
        <thead>
          <tr>
            <th scope="col">Node</th>
            <th scope="col" class="n">
              Models
            </th>
            <th scope="col" class="n">
              Slots in use
            </th>
          </tr>
        </thead>
        <tbody>
          {nodes.map((node) => (
            <tr key={node.name}>
              <td>{node.name}</td>
              <td class="n">{node.models}</td>
              <td class="n">
                {node.running} of {node.slots}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

const plural = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`;

/** A call to paste into a POSIX shell. */
function curl(url: string, model: string): string {
  const body = JSON.stringify({ model, messages: [{ role: "user", content: "What is infernet?" }], stream: true });
  return [
    `curl -N ${url}/v1/chat/completions \\`,
    '  -H "Authorization: Bearer $INFERNET_API_KEY" \\',
    "  -H 'Content-Type: application/json' \\",
    `  -d '${body.replaceAll("'", "'\\''")}'`,
  ].join("\n");
}
