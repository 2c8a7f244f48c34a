// Models: what a node serves, what is being done to it, and the form that installs more.
import type { ModelLine } from "../../../src/dashboard/nodes/model-lines.ts";
import type { NodeInner, NodeShown } from "../../../src/dashboard/nodes/shown.ts";
import { Act } from "../../parts/act.tsx";
import { Code } from "../../parts/code.tsx";
import { commandState, progressOf } from "../../parts/command.ts";
import type { Markup } from "../../parts/markup.ts";
import { modelHref } from "../../parts/model-href.ts";
import { Csrf, Empty, Status, Table, Th } from "../../parts/parts.tsx";
import { priceFrom } from "../../parts/price.ts";
import { Name, NONE, number, plainName } from "../../parts/text.tsx";

type Props = { node: NodeShown; acts: boolean; csrf: string | null };
/** Of these a node can have a thousand. */
const SHOWN = 100;

export const Models = ({ node, acts, csrf }: Props): Markup => (
  <div id="node-models">
    {node.models.length === 0 ? (
      <Empty icon="model" title="No models">
        {acts ? whatToDo(node) : "It serves nothing now."}
      </Empty>
    ) : (
      <Table
        name="Models of this node"
        head={
          <>
            <Th>Model</Th>
            <Th>State</Th>
            <Th n>In / out per M</Th>
            <Th n>Tok/s</Th>
            {acts && <Th hide>Actions</Th>}
          </>
        }
      >
        {node.models.slice(0, SHOWN).map((line) => (
          <Line line={line} node={node} acts={acts} csrf={csrf} />
        ))}
      </Table>
    )}
    {node.models.length > SHOWN && <p class="note body">And {number(node.models.length - SHOWN)} more.</p>}
  </div>
);

function whatToDo({ inner, state }: NodeShown): string {
  if (state === "pending") return "What it serves shows here once it is let in.";
  if (state === "ejected") return "It serves nothing here.";
  return inner?.noInstall === null && inner.row.transport !== "worker"
    ? "It serves nothing yet. Install a model below, or start a backend on the machine."
    : "It serves nothing yet. Start a backend on the machine.";
}

function Line({ line, node, acts, csrf }: Props & { line: ModelLine }): Markup {
  const { name, price, tokensPerS, contextLength, quantization, command } = line;
  const about = [
    contextLength === null ? null : `context ${number(contextLength)}`,
    quantization === null ? null : plainName(quantization, 24),
  ].filter((part) => part !== null);
  return (
    <tr>
      <td>
        {line.offered ? (
          <a href={modelHref(name)}>
            <Name of={name} />
          </a>
        ) : (
          <Name of={name} />
        )}
        {about.length > 0 && <p class="note">{about.join(", ")}</p>}
      </td>
      <td class={command === null ? "end" : "whole"}>
        {command === null ? <AtRest line={line} /> : <Doing command={command} nowMs={node.nowMs} name={name} />}
      </td>
      <td class={price === null ? "n more" : "n"} data-label="in / out">
        {price === null ? NONE : priceWords(price)}
      </td>
      <td class={tokensPerS === null ? "n more" : "n end"} data-label="tok/s">
        {tokensPerS === null ? NONE : number(tokensPerS)}
      </td>
      {acts && (
        <td class="n whole end">
          <ModelActs line={line} node={node} csrf={csrf} />
        </td>
      )}
    </tr>
  );
}

const priceWords = ({ input, output }: { input: number; output: number }): string =>
  input === 0 && output === 0 ? "free" : `${priceFrom(input)} / ${priceFrom(output)}`;

function AtRest({ line }: { line: ModelLine }): Markup {
  if (line.rests) return <Status tone="warn">Failed lately, rests</Status>;
  if (line.loaded === true) return <Status tone="live">Loaded</Status>;
  return <Status tone="ok">{line.loaded === false ? "On disk" : "Served"}</Status>;
}

function Doing({
  command,
  nowMs,
  name,
}: {
  command: NonNullable<ModelLine["command"]>;
  nowMs: number;
  name: string;
}): Markup {
  const [tone, word] = commandState(command);
  if (command.ended_ms !== null) {
    return (
      <Status tone={tone}>
        {word}
        {command.error !== null && (
          <>
            : <bdi>{plainName(command.error, 200)}</bdi>
          </>
        )}
      </Status>
    );
  }
  const progress = progressOf(command, nowMs);
  return (
    <div class="stack tight">
      <span class="pair">
        <Status tone={tone}>{word}</Status>
        {progress && (
          <span class="num note">
            <bdi>{plainName(progress.words, 80)}</bdi>
          </span>
        )}
      </span>
      {progress?.percent != null && (
        <progress max={100} value={progress.percent} aria-label={`${word} ${plainName(name)}`}>
          {`${progress.percent} %`}
        </progress>
      )}
    </div>
  );
}

function ModelActs({ line, node, csrf }: { line: ModelLine; node: NodeShown; csrf: string | null }): Markup {
  const at = `/nodes/${node.pubkey}`;
  const { name, command, loaded, offered, can } = line;
  const shown = plainName(name);
  if (command !== null && command.ended_ms === null) {
    return (
      <Act
        to={`${at}/commands/${command.id}/cancel`}
        csrf={csrf}
        look="plain"
        label={`Cancel: ${shown}`}
        id={`x-${command.id}`}
      >
        Cancel
      </Act>
    );
  }
  const again = command !== null && command.ended_ms !== null && (
    <Act
      to={`${at}/command`}
      fields={{ command: command.command, model: name }}
      csrf={csrf}
      look="plain"
      label={`Try again: ${shown}`}
    >
      Try again
    </Act>
  );
  const { transport } = node.inner?.row ?? {};
  if (node.inner?.refuses.includes("models")) return <></>;
  const keep = loaded === true ? "model_unload" : "model_load";
  return (
    <div class="row tight end">
      {again}
      {offered && transport === "link" && loaded !== null && can.includes(keep) && (
        <Act
          to={`${at}/command`}
          fields={{ command: keep, model: name }}
          csrf={csrf}
          look="plain"
          label={`${loaded ? "Unload" : "Load"}: ${shown}`}
        >
          {loaded ? "Unload" : "Load"}
        </Act>
      )}
      {offered && transport !== "worker" && can.includes("model_remove") && (
        <Act
          to={`${at}/command`}
          fields={{ command: "model_remove", model: name }}
          csrf={csrf}
          look="plain"
          label={`Remove: ${shown}`}
          ask={{
            title: `Remove ${shown}?`,
            what: "It is deleted from the node's disk. To serve it again it has to be fetched anew.",
            act: "Remove model",
          }}
        >
          Remove…
        </Act>
      )}
    </div>
  );
}

/** Of models, for the field of the form, which changes while the page is open. */
export const Suggestions = ({ models }: { models: readonly string[] }): Markup => (
  <datalist id="known-models">
    {models.map((model) => (
      <option value={model}></option>
    ))}
  </datalist>
);

/** Or why there is none, where it has backends that fetch no models, or lets nobody here ask. */
export function InstallForm({ node, inner, csrf }: Omit<Props, "acts"> & { inner: NodeInner }): Markup {
  const { transport, status, role } = inner.row;
  if (transport === "worker" || status !== "approved" || role !== "provider") return <></>;
  if (inner.noInstall !== null) return <NoInstallHere why={inner.noInstall} />;
  const to = `/nodes/${node.pubkey}/command`;
  return (
    <footer id="node-install">
      <form class="row grow" method="post" action={to} hx-post={to} hx-swap="none" id="install">
        {csrf !== null && <Csrf token={csrf} />}
        <input type="hidden" name="command" value="model_install" />
        <label class="grow">
          Install a model
          <input
            name="model"
            list="known-models"
            required
            maxlength={256}
            autocomplete="off"
            spellcheck={false}
            placeholder="qwen3:8b"
          />
        </label>
        <button type="submit" class="act">
          Install
        </button>
      </form>
    </footer>
  );
}

const NoInstallHere = ({ why: { words, command } }: { why: NonNullable<NodeInner["noInstall"]> }): Markup => (
  <footer id="node-install">
    <div class="stack tight grow">
      <p class="note">{words}</p>
      {command !== null && (
        <Code id="install-allow" name="Command that lets models be changed here" text={command} wraps />
      )}
    </div>
  </footer>
);
