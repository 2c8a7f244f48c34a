// Playground: a chat with one model or two side by side, its parameters, and the same call as code.

import { PLAYGROUND_SCRIPT } from "../parts/assets.ts";
import { Icon } from "../parts/icon.tsx";
import type { Markup } from "../parts/markup.ts";
import { playgroundHref } from "../parts/model-href.ts";
import { Body, Card, Copy, Csrf, Empty, Notice, Segments, Select } from "../parts/parts.tsx";
import { Answer } from "../parts/prose.tsx";
import { Head, Shell, type Viewer } from "../parts/shell.tsx";
import { plainName } from "../parts/text.tsx";
import { Kept, Turn, type TurnView, You } from "./turn.tsx";

export { ClosingParts, Opening, Pieces, Said, type TurnView, WayPart } from "./turn.tsx";

type Side = 0 | 1;
type Filled = Partial<{
  message: string;
  system: string;
  strategy: string | undefined;
  pool: string | undefined;
  temperature: number | undefined;
  top_p: number | undefined;
  max_tokens: number | undefined;
  seed: number | undefined;
  stop: string;
  json: string | undefined;
}>;
export type PlaygroundView = {
  viewer: Viewer;
  /** Members of an organisation that are no owners look on; `own`: the account that they may ask from. */
  onlooker: { csrf: string; own: string | null; next: string } | null;
  models: readonly string[];
  /** One or two. */
  chosen: readonly string[];
  /** Private pools to choose from. */
  pools: readonly string[];
  /** The coordinator's own. */
  strategy: string;
  defaults: { temperature: number; top_p: number; max_tokens: number };
  maxText: number;
  /** Where this page is from, for the code. */
  address: string;
  /** What was sent, where the page answers it. */
  form?: Filled;
  turns: readonly { before: readonly { role: string; content: string }[]; turn: TurnView; history: string }[];
};

export const Playground = (view: PlaygroundView): Markup => {
  const { viewer, models, chosen } = view;
  const [first = ""] = chosen;
  const two = chosen.length === 2;
  const href = (n: number) => `${playgroundHref(first)}${n === 2 ? "&two=1" : ""}`;
  return (
    <Shell viewer={viewer} title="Playground" scripts={[PLAYGROUND_SCRIPT]}>
      <Head title="Playground">
        {models.length > 0 && (
          <>
            <Segments
              name="Models side by side"
              all={[
                { href: href(1), label: "One model", here: !two },
                { href: href(2), label: "Two", here: two },
              ]}
            />
            <a class="button" id="clear" href={href(chosen.length)}>
              Clear
            </a>
          </>
        )}
      </Head>
      <p class="hidden" role="status" id="said"></p>
      {view.onlooker !== null && <Onlooker {...view.onlooker} />}
      {models.length === 0 && first === "" ? <NoModels viewer={viewer} /> : <Asking {...view} />}
    </Shell>
  );
};

const NoModels = ({ viewer }: { viewer: Viewer }): Markup => {
  const runs = viewer.human?.roles.some((role) => role === "admin" || role === "operator") === true;
  return (
    <section class="card" aria-label="No models">
      <Empty
        icon="model"
        level={2}
        title="No model is served now"
        act={
          <a class="button act" href={runs ? "/my/nodes" : "/models"}>
            {runs ? "Connect a node" : "See the models"}
          </a>
        }
      >
        A chat needs a node that serves a model. It appears here as soon as one is online.
      </Empty>
    </section>
  );
};

const Asking = (view: PlaygroundView): Markup => {
  const two = view.chosen.length === 2;
  return (
    <form
      id="ask"
      class="cols"
      method="post"
      action="/playground"
      autocomplete="off"
      hx-post="/playground"
      hx-target="#chat"
      hx-swap="beforeend"
      hx-sync="this:drop"
      hx-indicator="#composer"
    >
      {view.viewer.human && <Csrf token={view.viewer.human.csrf} />}
      {/* The first button is what Enter in a field means. */}
      <button type="submit" class="hidden" tabindex={-1}>
        Send
      </button>
      <div class="stack">
        <div class={two ? "chat two" : "chat"} id="chat">
          <Talk view={view} side={0} />
          <Talk view={view} side={1} />
        </div>
        <Composer {...view} />
      </div>
      <div class="stack">
        <Parameters {...view} />
        <SameCall />
      </div>
    </form>
  );
};

const Talk = ({ view, side }: { view: PlaygroundView; side: Side }): Markup => {
  const { chosen, models, turns } = view;
  const model = chosen[side];
  const shown = turns.find(({ turn }) => turn.side === side);
  const name = side === 0 ? "First model" : "Second model";
  return (
    <section
      class="card talker"
      id={`talker-${side}`}
      aria-labelledby={`talker-${side}-h`}
      hidden={model === undefined}
    >
      <header>
        <h2 class="hidden" id={`talker-${side}-h`}>
          {name}
        </h2>
        <Models
          side={side}
          label={name}
          value={model ?? models[side] ?? ""}
          models={models}
          off={model === undefined}
        />
      </header>
      <p class="note idle">
        Ask something below. The answer comes here as it is written, with the node it came from and how fast it was.
      </p>
      <div
        class="talk"
        id={`talk-${side}`}
        tabindex={0}
        role="region"
        aria-label={`Conversation, ${name.toLowerCase()}`}
      >
        {shown?.before.map(({ role, content }, i) =>
          role === "user" ? <You text={content} /> : <Answer id={`${side}-${i}`} text={content} />,
        )}
        {shown && <Turn turn={shown.turn} />}
      </div>
      <Kept side={side} history={shown?.history ?? "[]"} last={shown?.turn.id ?? ""} />
    </section>
  );
};

/** More than these are searched by typing. */
const MOST_IN_A_LIST = 100;

const Models = ({
  side,
  label,
  value,
  models,
  off,
}: {
  side: Side;
  label: string;
  value: string;
  models: readonly string[];
  off: boolean;
}): Markup => {
  const field = { name: `model${side}`, id: `model-${side}`, "aria-label": label, class: "pick", disabled: off };
  if (models.length > MOST_IN_A_LIST) {
    return (
      <>
        <input
          {...field}
          type="search"
          list={`models-${side}`}
          value={value}
          maxlength={256}
          required
          spellcheck={false}
        />
        <datalist id={`models-${side}`}>
          {models.map((model) => (
            <option value={model}></option>
          ))}
        </datalist>
      </>
    );
  }
  const all = models.includes(value) || value === "" ? models : [value, ...models];
  return (
    <select {...field}>
      {all.map((model) => (
        <option value={model} selected={model === value}>
          {plainName(model, 96)}
        </option>
      ))}
    </select>
  );
};

/** A member of an organisation asks from their own account: one click away. */
const Onlooker = ({ csrf, own, next }: NonNullable<PlaygroundView["onlooker"]>): Markup => (
  <form method="post" action="/account/switch">
    <Csrf token={csrf} />
    <input type="hidden" name="account" value={own ?? ""} />
    <input type="hidden" name="next" value={next} />
    <Notice tone="warn" title="You look on here">
      Only its owners ask here in the name of an organisation; its members use the keys that an owner makes for them.{" "}
      {own !== null && (
        <button type="submit" id="act-for-own">
          Chat from your own account
        </button>
      )}
    </Notice>
  </form>
);

const Composer = ({ chosen, onlooker, maxText, turns, form = {} }: PlaygroundView): Markup => (
  <section class="card" id="composer" aria-label="Your message">
    <Body>
      <label>
        <span class="hidden">Message</span>
        <textarea
          id="message"
          name="message"
          rows={3}
          required
          maxlength={maxText}
          placeholder={chosen.length === 2 ? "Ask both models" : "Ask the model"}
          data-enter=""
          disabled={onlooker !== null}
        >
          {turns.some(({ turn }) => turn.end?.state !== "completed") ? form.message : ""}
        </textarea>
      </label>
      <div class="row spread">
        <span class="note keys">Enter sends, Shift + Enter makes a line</span>
        <button type="submit" name="again" value="1" id="again" formnovalidate hidden={turns.length === 0}>
          Answer again
        </button>
        <button type="button" id="stop" data-do="stop" data-for="ask" hidden>
          <Icon name="stop" />
          Stop
        </button>
        <button type="submit" class="act" id="send" disabled={onlooker !== null}>
          <Icon name="send" />
          Send
        </button>
      </div>
    </Body>
  </section>
);

const ROUTES = [
  ["balanced", "Balanced"],
  ["cheapest", "Cheapest"],
  ["fastest", "Fastest"],
] as const;

const Parameters = ({ strategy, pools, defaults, maxText, form }: PlaygroundView): Markup => (
  <Card id="parameters" title="Parameters">
    <Body>
      <div data-default={strategy}>
        <Select name="strategy" label="Route" value={form?.strategy ?? strategy} options={ROUTES} />
      </div>
      <Range name="temperature" label="Temperature" max="2" value={form?.temperature ?? defaults.temperature} />
      <label>
        Longest answer, tokens
        <input
          name="max_tokens"
          type="number"
          min="1"
          max="1000000"
          step="1"
          value={form ? form.max_tokens : defaults.max_tokens}
        />
      </label>
      <label>
        System prompt
        <textarea name="system" rows={3} maxlength={maxText}>
          {form?.system}
        </textarea>
      </label>
      <details>
        <summary>More</summary>
        <div class="stack more-fields">
          <Range name="top_p" label="Top p" max="1" value={form?.top_p ?? defaults.top_p} standard={defaults.top_p} />
          <label>
            Seed
            <input name="seed" type="number" step="1" value={form?.seed} />
          </label>
          <label>
            Stop at, one a line
            <textarea name="stop" rows={2} maxlength={4096} spellcheck={false}>
              {form?.stop}
            </textarea>
          </label>
          <label class="check">
            <input type="checkbox" name="json" value="1" checked={form?.json !== undefined} />
            Answer in JSON
          </label>
          {pools.length > 0 && (
            <Select
              name="pool"
              label="Pool"
              value={form?.pool ?? ""}
              options={[
                ["", "Any that may be used"],
                ["public", "Public"],
                ...pools.map((pool) => [pool, pool] as const),
              ]}
            />
          )}
        </div>
      </details>
    </Body>
  </Card>
);

type RangeProps = { name: string; label: string; max: string; value: number; standard?: number };
const Range = ({ name, label, max, value, standard }: RangeProps): Markup => (
  <label>
    <span class="pair">
      <span>{label}</span>
      <output class="num">{value}</output>
    </span>
    <input type="range" name={name} min="0" max={max} step="0.05" value={value} data-default={standard} />
  </label>
);

const LANGUAGES = ["curl", "Python", "TypeScript"] as const;

/** Filled by the page's script, as the form is. */
const SameCall = (): Markup => (
  <Card id="call" title="The same call" aside={<Copy text="" label="Copy the call" />}>
    <div class="row call-languages">
      <label>
        <span class="hidden">Language</span>
        <select id="call-language">
          {LANGUAGES.map((language) => (
            <option>{language}</option>
          ))}
        </select>
      </label>
      <a href="/keys">Get a key</a>
    </div>
    <pre class="code" id="call-code" tabindex={0} role="region" aria-label="The same call as code"></pre>
  </Card>
);
