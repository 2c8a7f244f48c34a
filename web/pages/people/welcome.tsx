// Welcome: the second and the third of three steps: a node that serves something, and the first chat.
import { ActForm } from "../../parts/act-form.tsx";
import type { Markup } from "../../parts/markup.ts";
import { playgroundHref } from "../../parts/model-href.ts";
import { Partial } from "../../parts/partial.tsx";
import { Body, Card, Copy, Item, List, Notice, Tag } from "../../parts/parts.tsx";
import { Head, LiveState, Shell, type Viewer } from "../../parts/shell.tsx";
import { Name, plural, shortKey, When } from "../../parts/text.tsx";

export type WelcomeNow = {
  /** Those that are here, a few of them. */
  nodes: readonly { pubkey: string; name: string; models: readonly string[]; more: number }[];
  online: number;
  /** What the first chat is with; null while nothing is served. */
  model: { name: string; demo: boolean } | null;
};
type WelcomeView = {
  viewer: Viewer;
  csrf: string;
  mode: "both" | "coordinator";
  now: WelcomeNow;
  /** A join token that was made just now. */
  join: { command: string; expiresMs: number; url: string; near: boolean } | null;
};

const NAMES = ["Create the admin", "Connect a node", "First chat"] as const;

/** Where one is in the three steps; what lies behind is done. */
export const Steps = ({ at }: { at: 1 | 2 | 3 }): Markup => (
  <ol class="steps" id="steps" aria-label="Three steps">
    {NAMES.map((name, i) => (
      <li class={i + 1 < at ? "ok" : undefined} aria-current={i + 1 === at ? "step" : undefined}>
        <span aria-hidden="true">{i + 1 < at ? "✓" : i + 1}</span>
        {name}
        {i + 1 < at && <span class="hidden">, done</span>}
      </li>
    ))}
  </ol>
);
const stepAt = ({ model }: WelcomeNow): 2 | 3 => (model === null ? 2 : 3);

export const Welcome = ({ viewer, csrf, mode, now, join }: WelcomeView): Markup => (
  <Shell viewer={viewer} title="Welcome" live="/live/welcome">
    <Head title="Welcome" note="You govern this instance. What is left to do waits for you here, whenever you like.">
      <LiveState />
      <a class="button" href="/admin">
        Skip
      </a>
    </Head>
    <Steps at={stepAt(now)} />
    <div class="cols even">
      <div class="stack">
        <Nodes mode={mode} now={now} />
        <JoinCard csrf={csrf} mode={mode} join={join} />
      </div>
      <div class="stack">
        <FirstChat now={now} />
      </div>
    </div>
  </Shell>
);

const Nodes = ({ mode, now }: { mode: WelcomeView["mode"]; now: WelcomeNow }): Markup => (
  <Card id="node-step" title={mode === "both" ? "This machine’s node" : "Connect a node"}>
    <NodeList now={now} />
  </Card>
);
const NodeList = ({ now: { nodes, online } }: { now: WelcomeNow }): Markup => (
  <List id="welcome-nodes">
    {nodes.length === 0 ? (
      <Item tone="wait">No node is here yet. It shows up by itself as soon as it is.</Item>
    ) : (
      nodes.map(({ pubkey, name, models, more }) => (
        <Item tone={models.length > 0 ? "ok" : "warn"}>
          <a href={`/nodes/${pubkey}`}>
            <Name of={name || shortKey(pubkey)} />
          </a>
          <p class="note">
            {models.length === 0 ? "Here, and serves no model yet: start an inference server beside it." : "Serves "}
            {models.map((model) => (
              <>
                <Tag>
                  <Name of={model} max={48} />
                </Tag>{" "}
              </>
            ))}
            {more > 0 && `and ${plural(more, "more model", "more models")}`}
          </p>
        </Item>
      ))
    )}
    {online > nodes.length && <Item tone="ok">{plural(online - nodes.length, "more node", "more nodes")}</Item>}
  </List>
);

function JoinCard({ csrf, mode, join }: Pick<WelcomeView, "csrf" | "mode" | "join">): Markup {
  const title = mode === "both" ? "Connect another machine" : "Let a GPU machine in";
  if (join) {
    return (
      <Card id="join" title={title} aside={<Copy text={join.command} label="Copy the command" />}>
        <Body>
          <p>Run this on the machine:</p>
          <p class="secret" id="join-command" tabindex={-1} autofocus>
            {join.command}
          </p>
          <p class="note">
            The token lets one node in, once, until <When ms={join.expiresMs} />. The node dials <code>{join.url}</code>
            .
          </p>
          {join.near && (
            <Notice tone="warn" title="Only this machine reaches that address">
              For nodes elsewhere set <code>server.host</code> and <code>server.public_url</code>, then make another
              token.
            </Notice>
          )}
        </Body>
      </Card>
    );
  }
  return (
    <Card id="join" title={title}>
      <Body>
        <p class="note">
          A machine with a GPU, or any other, joins by one command. It needs no open port: it dials this address.
        </p>
        <ActForm action="/welcome/join" csrf={csrf}>
          <button type="submit" class={mode === "both" ? undefined : "act"} id="make-token">
            Make a join command
          </button>
        </ActForm>
      </Body>
    </Card>
  );
}

const FirstChat = ({ now: { model } }: { now: WelcomeNow }): Markup => (
  <section class="card" id="first-chat" aria-labelledby="first-chat-h">
    <header>
      <h2 id="first-chat-h">First chat</h2>
    </header>
    <Body>
      {model === null ? (
        <p class="note">Opens as soon as a node serves a model.</p>
      ) : (
        <>
          <p>
            <b>
              <Name of={model.name} />
            </b>{" "}
            is ready.{" "}
            {model.demo &&
              "It is the small demo model that is built in: it shows that everything works, and knows little."}
          </p>
          <div class="row">
            <a class="button act" id="start-chat" href={playgroundHref(model.name)}>
              Start chatting
            </a>
          </div>
          {model.demo && (
            <p class="note">
              For real answers start Ollama, vLLM or another inference server on this machine: its models show up here.
            </p>
          )}
        </>
      )}
    </Body>
  </section>
);

/** What changes while the page is open. */
export const WelcomeUpdates = ({ now }: { now: WelcomeNow }): Markup => (
  <>
    <Partial target="#steps" swap="outerHTML">
      <Steps at={stepAt(now)} />
    </Partial>
    <Partial target="#welcome-nodes" swap="outerMorph">
      <NodeList now={now} />
    </Partial>
    <Partial target="#first-chat" swap="outerMorph">
      <FirstChat now={now} />
    </Partial>
  </>
);
