// Home: a plain page with what runs and how to call it.
import type { HtmlEscapedString } from "hono/utils/html";
import { STYLE } from "./style.ts";

type VNode = HtmlEscapedString | Promise<HtmlEscapedString>;

export type HomeView = {
  version: string;
  mode: string;
  url: string;
  /** `price`: for a million tokens, input and output, in USD. */
  models: { id: string; nodes: number; context_length: number | null; price: string; demo: boolean }[];
  nodes: { name: string; slots: number; running: number; models: number }[];
};

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
              <code>infernet keys create NAME</code>. The API: <a href="/reference">reference</a>,{" "}
              <a href="/openapi.json">openapi.json</a>.
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
            <th scope="col" class="n">
              USD/M tokens, in · out
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
              <td class="n">{model.price}</td>
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
