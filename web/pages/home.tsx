// Home: what this network is, how it does, how to call it, and where to go from here.
import { KEY_SCRIPT } from "../parts/assets.ts";
import { Code } from "../parts/code.tsx";
import { Icon } from "../parts/icon.tsx";
import type { Markup } from "../parts/markup.ts";
import { modelHref } from "../parts/model-href.ts";
import { NetworkFigures, type NetworkNow } from "../parts/network.tsx";
import { Body, Card, Empty, Item, List, Notice, Status, Table, Th, type Tone } from "../parts/parts.tsx";
import { priceFrom } from "../parts/price.ts";
import { Head, LiveState, Shell, type Viewer } from "../parts/shell.tsx";
import { Name, NONE, number, plural } from "../parts/text.tsx";

export type NextStep = { tone: Tone; href: string; label: string; about: string };
export type HomeView = {
  viewer: Viewer;
  now: NetworkNow;
  /** Under which the visitor reaches it, without a slash at its end. */
  address: string;
  version: string;
  models: readonly { id: string; nodes: number; ready: number; context: number | null; output: number }[];
  /** To paste; null where nothing is served. */
  call: string | null;
  join: Join;
  /** Nobody governs here yet. */
  isFresh: boolean;
  /** For who is signed in. */
  steps: readonly NextStep[];
};

export const Home = (view: HomeView): Markup => (
  <Shell viewer={view.viewer} title="Status" live="/live/network" scripts={[KEY_SCRIPT]}>
    <Head
      title="One address for every GPU here"
      note="A network of machines that run language models. Any OpenAI client can call it; the nodes decide what they serve and what it costs."
    >
      <LiveState />
    </Head>
    {view.isFresh && <Fresh />}
    <NetworkFigures now={view.now} />
    <div class="cols">
      <div class="stack">
        <HowToCall address={view.address} call={view.call} />
        <Models models={view.models} total={view.now.models} />
      </div>
      <div class="stack">
        {view.viewer.human ? <Steps steps={view.steps} /> : <SignIn />}
        <JoinCard join={view.join} />
        <LookAround version={view.version} />
      </div>
    </div>
  </Shell>
);

const Fresh = (): Markup => (
  <Notice tone="warn" title="Nobody governs this instance yet">
    The link that makes the first admin was printed where it was started. <code>infernet users setup-link</code> prints
    a new one there.
  </Notice>
);

const HowToCall = ({ address, call }: Pick<HomeView, "address" | "call">): Markup => (
  <Card
    id="call"
    title="Call it"
    aside={
      <a class="button" href="/docs">
        More examples
      </a>
    }
  >
    <Body>
      {call === null ? (
        <p>Nothing is served yet. Once a node is here, this is where its models are called.</p>
      ) : (
        <Code id="call-code" name="A call to paste" text={call} />
      )}
      <p class="note">
        OpenAI clients take <code class="whole">{`${address}/v1`}</code> as their base URL, and a key of this network.
      </p>
    </Body>
  </Card>
);

const Models = ({ models, total }: { models: HomeView["models"]; total: number }): Markup => (
  <Card
    id="models"
    title="Models"
    aside={
      total > models.length && (
        <a class="button" href="/models">
          {`All ${number(total)}`}
        </a>
      )
    }
  >
    {models.length === 0 ? (
      <Empty icon="model" title="No model is served yet">
        A node brings its models along. They show up here by themselves.
      </Empty>
    ) : (
      <Table
        name="Models on offer"
        head={
          <>
            <Th>Model</Th>
            <Th>Served by</Th>
            <Th n>Context</Th>
            <Th n>Out, from</Th>
          </>
        }
      >
        {models.map((model) => (
          <tr>
            <td>
              <a href={modelHref(model.id)}>
                <Name of={model.id} />
              </a>
            </td>
            <td class="end">
              <Status tone={model.ready > 0 ? "ok" : "warn"}>{plural(model.nodes, "node")}</Status>
            </td>
            <td class="n" data-label="context">
              {model.context === null ? NONE : number(model.context)}
            </td>
            <td class="n end" data-label="out, from">
              {priceFrom(model.output)}
            </td>
          </tr>
        ))}
      </Table>
    )}
  </Card>
);

const Steps = ({ steps }: { steps: readonly NextStep[] }): Markup => (
  <Card id="next" title="Next for you">
    <List>
      {steps.map(({ tone, href, label, about }) => (
        <Item tone={tone}>
          <a href={href}>{label}</a>
          <p class="note">{about}</p>
        </Item>
      ))}
    </List>
  </Card>
);

const SignIn = (): Markup => (
  <Card id="use" title="Use it">
    <Body>
      <p>Sign in to make a key, try a model in the playground and see what you used.</p>
      <a class="button act" href="/sign-in">
        Sign in
      </a>
    </Body>
  </Card>
);

/** How a machine gets in. */
export type Join = {
  registration: "token" | "approval" | "open";
  /** Where signed-in operators make tokens. */
  tokensAt: string | null;
  /** To paste. */
  command: string;
};
const JOIN_WORDS: Readonly<Record<Join["registration"], string>> = {
  token: "An operator of this network gives you a join token.",
  approval: "An admin of this network lets your node in once it asked.",
  open: "Every node may join: no token, no approval.",
};
/** `more`: leads to where more is told of it. */
export const JoinCard = ({ join, more = true }: { join: Join; more?: boolean }): Markup => (
  <Card id="join" title="Have a GPU? Run a node">
    <Body>
      <p>
        A node dials out from behind any router and serves what you choose, at your price.{" "}
        {JOIN_WORDS[join.registration]}
      </p>
      <Code id="join-code" name="Commands that join" text={join.command} />
      {join.tokensAt !== null && join.registration === "token" ? (
        <a class="button" href={join.tokensAt}>
          Create a join token
        </a>
      ) : (
        more && (
          <a class="button" href="/docs#join">
            How to join
          </a>
        )
      )}
    </Body>
  </Card>
);

const LookAround = ({ version }: { version: string }): Markup => (
  <Card id="around" title="Look around" footer={<span>{`infernet ${version}`}</span>}>
    <List>
      {AROUND.map(({ href, icon, label, about }) => (
        <li>
          <Icon name={icon} />
          <div>
            <a href={href}>{label}</a>
            <p class="note">{about}</p>
          </div>
        </li>
      ))}
    </List>
  </Card>
);
const AROUND = [
  { href: "/models", icon: "model", label: "Models", about: "Who serves them, for how much, how fast" },
  { href: "/nodes", icon: "node", label: "Providers", about: "The machines behind them" },
  { href: "/check", icon: "seal", label: "Check a receipt", about: "In your browser, without trusting anybody" },
  { href: "/docs", icon: "book", label: "Docs", about: "From the first call to webhooks" },
  { href: "/reference", icon: "code", label: "API reference", about: "Every route and every error" },
] as const;
