// Docs: from the first call to webhooks, with examples that run as they stand.
import { KEY_SCRIPT } from "../parts/assets.ts";
import { Code } from "../parts/code.tsx";
import type { Markup } from "../parts/markup.ts";
import { Body, Card, Why } from "../parts/parts.tsx";
import { Head, Shell, type Viewer } from "../parts/shell.tsx";
import { type Example, examples, type Fill, keyCheck, routingExample } from "./examples.ts";
import { type Join, JoinCard } from "./home.tsx";

export type DocsView = {
  viewer: Viewer;
  fill: Fill;
  join: Join;
};

export function Docs({ viewer, fill, join }: DocsView): Markup {
  const all = examples(fill);
  return (
    <Shell viewer={viewer} title="Docs" scripts={[KEY_SCRIPT]}>
      <Head
        title="Docs"
        note="Any OpenAI client works with this network: give it the address below and a key. The examples are filled with both."
      >
        <a class="button" href="/reference">
          API reference
        </a>
      </Head>
      <Languages />
      <div class="cols">
        <div class="stack">
          <Start address={fill.address} isSignedIn={viewer.human !== null} />
          {all.map((example) => (
            <ExampleCard example={example} />
          ))}
          <Card id="routing" title="Say where a request may go">
            <Body>
              <p>
                All of it is optional. <code>provider</code> is OpenRouter's object, <code>infernet</code> is ours; a
                conversation returns by itself to the node that has it in its cache.
              </p>
              <Code id="routing-code" name="A call that chooses nodes" text={routingExample(fill)} />
            </Body>
          </Card>
          <JoinCard join={join} more={false} />
        </div>
        <div class="stack more">
          <Card id="contents" title="On this page">
            <ul class="list">
              {[
                ["start", "Getting started"],
                ...all.map(({ id, title }) => [id, title] as const),
                ["routing", "Say where a request may go"],
                ["join", "Have a GPU? Run a node"],
              ].map(([id, title]) => (
                <li>
                  <a href={`#${id}`}>{title}</a>
                </li>
              ))}
            </ul>
          </Card>
        </div>
      </div>
    </Shell>
  );
}

/** Chooses by CSS alone which of the examples are seen. */
const Languages = (): Markup => (
  <fieldset class="languages">
    <legend>Examples in</legend>
    {(
      [
        ["curl", "curl"],
        ["python", "Python"],
        ["typescript", "TypeScript"],
      ] as const
    ).map(([id, label], i) => (
      <label>
        <input type="radio" name="as" id={`as-${id}`} checked={i === 0} />
        {label}
      </label>
    ))}
  </fieldset>
);

const Start = ({ address, isSignedIn }: { address: string; isSignedIn: boolean }): Markup => (
  <Card
    id="start"
    title="Getting started"
    aside={
      <a class="button" href={isSignedIn ? "/keys" : "/sign-in?next=%2Fkeys"}>
        {isSignedIn ? "Create a key" : "Sign in for a key"}
      </a>
    }
  >
    <Body>
      <p>
        The base URL is <code class="whole">{`${address}/v1`}</code>. A key goes along as{" "}
        <code>Authorization: Bearer</code>.
      </p>
      <label>
        Your key, for the examples of this page
        <input
          id="key-field"
          type="text"
          placeholder="inf_…"
          autocomplete="off"
          spellcheck={false}
          aria-describedby="key-note key-why"
        />
      </label>
      <div id="key-why" hidden>
        <Why>A key begins with inf_ and has letters and digits only.</Why>
      </div>
      <p class="note" id="key-note">
        It stays in this tab of your browser and is sent nowhere. Closing the tab forgets it.
      </p>
      <Code id="start-code" name="Commands that check a key" text={keyCheck(address)} />
    </Body>
  </Card>
);

const ExampleCard = ({ example }: { example: Example }): Markup => (
  <Card id={example.id} title={example.title}>
    <Body>
      <p>{example.about}</p>
      {(["curl", "python", "typescript"] as const).map((as) => (
        <Code id={`${example.id}-${as}`} as={as} name={`${example.title} in ${as}`} text={example[as]} />
      ))}
    </Body>
  </Card>
);
