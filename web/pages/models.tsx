// Models: the catalogue of what can be asked for, and one model with who serves it.
import type { Ability, ModelRow, ServingRow } from "../../src/dashboard/catalogue.ts";
import { KEY_SCRIPT } from "../parts/assets.ts";
import { Code } from "../parts/code.tsx";
import { Icon } from "../parts/icon.tsx";
import type { Markup } from "../parts/markup.ts";
import { modelHref, playgroundHref } from "../parts/model-href.ts";
import { NetworkFigures, type NetworkNow } from "../parts/network.tsx";
import {
  Body,
  Card,
  Empty,
  Fact,
  Facts,
  Figure,
  Figures,
  Filters,
  Pager,
  Search,
  Select,
  Status,
  Table,
  Tag,
  Th,
} from "../parts/parts.tsx";
import { price, priceFrom } from "../parts/price.ts";
import { Head, LiveState, Shell, type Viewer } from "../parts/shell.tsx";
import { STATE_TONE, stateWords } from "../parts/states.ts";
import { Ago, duration, Name, NONE, number, plainName, plural, timed } from "../parts/text.tsx";

const ABILITIES: readonly (readonly [Ability, string])[] = [
  ["chat", "Chat"],
  ["tools", "Tools"],
  ["images", "Images"],
  ["thinking", "Thinking"],
  ["embeddings", "Embeddings"],
  ["json", "JSON"],
  ["logprobs", "Log probabilities"],
];
const ORDERS = [
  ["used", "Most used"],
  ["cheap", "Cheapest"],
  ["fast", "Fastest"],
  ["name", "Name"],
] as const;
const CONTEXTS = [8_192, 32_768, 65_536, 131_072, 262_144];
const contextOptions = [["", "Any"], ...CONTEXTS.map((tokens) => [`${tokens}`, number(tokens)] as const)] as const;

export type ModelsView = {
  viewer: Viewer;
  now: NetworkNow;
  wanted: { q: string; can: string; context: string; order: string };
  page: { rows: readonly ModelRow[]; newer: string | null; older: string | null };
  /** Of all that are on offer. */
  total: number;
};

export const Models = ({ viewer, now, wanted, page, total }: ModelsView): Markup => (
  <Shell viewer={viewer} title="Models" live="/live/network">
    <Head
      title="Models on this network"
      note="One address, any OpenAI client. Prices per million tokens, set by each node."
    >
      <LiveState />
    </Head>
    <NetworkFigures now={now} />
    <Filters list="list" action="/models">
      <Search label="Search" value={wanted.q} placeholder="Name or maker" />
      <Select name="can" label="Can do" value={wanted.can} options={[["", "Anything"], ...ABILITIES]} />
      <Select name="context" label="Context at least" value={wanted.context} options={contextOptions} />
      <Select name="order" label="Order" value={wanted.order} options={ORDERS} />
    </Filters>
    <section class="card" id="list" aria-label="Models">
      {page.rows.length > 0 ? <Catalogue rows={page.rows} /> : <NoModels total={total} />}
      {(page.newer !== null || page.older !== null) && (
        <footer>
          <Pager list="list" newer={page.newer} older={page.older} />
        </footer>
      )}
    </section>
  </Shell>
);

const NoModels = ({ total }: { total: number }): Markup =>
  total > 0 ? (
    <Empty
      icon="model"
      level={2}
      title="No model fits"
      act={
        <a class="button" href="/models">
          Show all models
        </a>
      }
    >
      {`None of the ${plural(total, "model")} on offer is all of that at once.`}
    </Empty>
  ) : (
    <Empty
      icon="model"
      level={2}
      title="No model is served yet"
      act={
        <a class="button" href="/docs#join">
          Run a node
        </a>
      }
    >
      A node brings its models along. They show up here by themselves.
    </Empty>
  );

const Catalogue = ({ rows }: { rows: readonly ModelRow[] }): Markup => (
  <Table
    name="Catalogue"
    head={
      <>
        <Th>Model</Th>
        <Th>Served by</Th>
        <Th n>Context</Th>
        <Th n>In, from</Th>
        <Th n>Out, from</Th>
        <Th n>Tok/s</Th>
        <Th n>First token</Th>
        <Th>Can do</Th>
      </>
    }
  >
    {rows.map((row) => (
      <tr>
        <td>
          <a href={modelHref(row.id)}>
            <Name of={row.id} />
          </a>
          <Remark row={row} />
        </td>
        <td class="end">
          <Served row={row} />
        </td>
        <td class="n" data-label="context">
          {row.context === null ? NONE : number(row.context)}
        </td>
        <td class="n more">{priceFrom(row.prices.input)}</td>
        <td class="n end" data-label="out, from">
          {priceFrom(row.prices.output)}
        </td>
        <td class="n" data-label="tok/s">
          {speed(row.tokensPerS)}
        </td>
        <td class="n end" data-label="first token">
          {row.firstTokenMs === null ? NONE : duration(row.firstTokenMs)}
        </td>
        <td class="whole">
          <Abilities of={row.can} />
        </td>
      </tr>
    ))}
  </Table>
);

const speed = (tokensPerS: number | null): string =>
  tokensPerS === null ? NONE : number(tokensPerS, tokensPerS < 10 ? 1 : 0);

function Remark({ row }: { row: ModelRow }): Markup | null {
  const [first] = row.aliasFor;
  if (first !== undefined) {
    return (
      <p class="note">
        Another name for <Name of={first} max={40} />
        {row.aliasFor.length > 1 && `, or ${number(row.aliasFor.length - 1)} more`}
      </p>
    );
  }
  return row.demo ? <p class="note">Demo model: for trying out, not for answers</p> : null;
}

const Served = ({ row }: { row: Pick<ModelRow, "ready" | "nodes"> }): Markup => (
  <Status tone={row.ready > 0 ? "ok" : "warn"}>{plural(row.nodes, "node")}</Status>
);

/** Chatting is told only of what does nothing else. */
function Abilities({ of }: { of: readonly Ability[] }): Markup {
  const able = ABILITIES.filter(([ability]) => of.includes(ability));
  const others = able.filter(([ability]) => ability !== "chat");
  if (able.length === 0) return <span class="more">{NONE}</span>;
  return (
    <span class="row">
      {(others.length > 0 ? others : able).map(([, label]) => (
        <Tag>{label.toLowerCase()}</Tag>
      ))}
    </span>
  );
}

export type ModelView = {
  viewer: Viewer;
  row: ModelRow;
  /** Of an alias: of the first that it stands for. */
  serving: { rows: readonly ServingRow[]; newer: string | null; older: string | null };
  address: string;
  /** To paste. */
  call: string;
  charged: boolean;
};

export const Model = ({ viewer, row, serving, call, charged }: ModelView): Markup => (
  <Shell viewer={viewer} title={plainName(row.id)} scripts={[KEY_SCRIPT]}>
    <Head
      title={<Name of={row.id} max={128} />}
      crumb={{ href: "/models", label: "Models" }}
      note={<Remark row={row} />}
    >
      <Served row={row} />
      <a class="button act" href={playgroundHref(row.id)}>
        <Icon name="chat" />
        Try it
      </a>
    </Head>
    <Figures>
      <Figure label="In" {...cost(row.prices.input, row.prices.inputMax)} />
      <Figure label="Out" {...cost(row.prices.output, row.prices.outputMax)} />
      <Figure
        label="Context"
        value={row.context === null ? NONE : number(row.context)}
        {...(row.context === null ? {} : { unit: "tokens" })}
        note="the longest on offer"
      />
      <Figure label="Speed" value={speed(row.tokensPerS)} unit="tok/s" note="median of its nodes" />
      <Figure label="First token" {...timed(row.firstTokenMs)} note="median of its nodes" />
    </Figures>
    <div class="cols">
      <div class="stack">
        <Serving {...serving} />
        <Card id="call" title="Call it">
          <Body>
            <Code id="call-code" name="A call to paste" text={call} />
          </Body>
        </Card>
      </div>
      <div class="stack">
        <Card id="about" title="About">
          <Body>
            <Facts>
              <Fact name="Name">
                <Name of={row.id} max={256} />
              </Fact>
              {row.aliasFor.length > 0 && (
                <Fact name="Stands for">
                  {row.aliasFor.map((model) => (
                    <>
                      <a href={modelHref(model)}>
                        <Name of={model} />
                      </a>{" "}
                    </>
                  ))}
                </Fact>
              )}
              <Fact name="Served by">{plural(row.nodes, "node")}</Fact>
              <Fact name="Have room now">{number(row.ready)}</Fact>
              <Fact name="Quantization">
                {row.quantizations.length === 0 ? NONE : <Name of={row.quantizations.join(", ")} max={80} />}
              </Fact>
              <Fact name="Can do">{row.can.length === 0 ? NONE : <Abilities of={row.can} />}</Fact>
            </Facts>
            {!charged && (
              <p class="note">Nothing is charged on this network now. Prices are what nodes would ask for.</p>
            )}
          </Body>
        </Card>
      </div>
    </div>
  </Shell>
);

const cost = (from: number, to: number): { value: string; unit?: string; note: string } => ({
  value: priceFrom(from),
  ...(from === 0 ? {} : { unit: "/ M" }),
  note: from === to ? "the same at every node" : `up to ${price(to)}`,
});

const Serving = ({ rows, newer, older }: ModelView["serving"]): Markup => (
  <Card
    id="serving"
    title="Who serves it"
    footer={newer !== null || older !== null ? <Pager list="serving-card" newer={newer} older={older} /> : undefined}
  >
    <Table
      name="Nodes with this model"
      head={
        <>
          <Th>Node</Th>
          <Th>Now</Th>
          <Th>Region</Th>
          <Th n>In / out</Th>
          <Th n>Tok/s</Th>
          <Th n>First token</Th>
          <Th n>Context</Th>
        </>
      }
    >
      {rows.map((node) => (
        <tr>
          <td>
            <a href={`/nodes/${node.pubkey}`}>
              <Name of={node.name} max={40} />
            </a>
            {node.hops > 0 && <p class="note">{`through ${plural(node.hops, "other network")}`}</p>}
          </td>
          <td class="end">
            <Status tone={STATE_TONE[node.state]}>{stateWords(node.state, node.free)}</Status>
          </td>
          <td class="more">{node.region === "" ? NONE : <Name of={node.region} max={24} />}</td>
          <td class="n" data-label="in / out">
            {node.priceInput + node.priceOutput === 0
              ? "free"
              : `${price(node.priceInput)} / ${price(node.priceOutput)}`}
          </td>
          <td class="n end" data-label="tok/s">
            {speed(node.tokensPerS)}
          </td>
          <td class="n more">{node.firstTokenMs === null ? NONE : duration(node.firstTokenMs)}</td>
          <td class="n more">{node.context === null ? NONE : number(node.context)}</td>
        </tr>
      ))}
    </Table>
  </Card>
);

type AwayProps = { viewer: Viewer; name: string; lastMs: number; nowMs: number };
/** Was on offer once, and is not now. */
export const ModelAway = ({ viewer, name, lastMs, nowMs }: AwayProps): Markup => (
  <Shell viewer={viewer} title={plainName(name)}>
    <Head title={<Name of={name} max={128} />} crumb={{ href: "/models", label: "Models" }}>
      <Status tone="off">Nobody now</Status>
    </Head>
    <section class="card" aria-label="Away">
      <Empty
        icon="model"
        level={2}
        title="Nobody serves it now"
        act={
          <a class="button" href="/models">
            Show all models
          </a>
        }
      >
        It was last on offer <Ago ms={lastMs} nowMs={nowMs} />. Requests for it wait a moment for its nodes, and are
        refused after that.
      </Empty>
    </section>
  </Shell>
);
