// Providers: the nodes behind the network, as everybody may see them.
import type { ProviderRow } from "../../src/dashboard/directory.ts";
import type { Markup } from "../parts/markup.ts";
import { modelHref } from "../parts/model-href.ts";
import { Empty, Filters, Pager, Search, Select, Status, Table, Th } from "../parts/parts.tsx";
import { price } from "../parts/price.ts";
import { Head, Shell, type Viewer } from "../parts/shell.tsx";
import { STATE_TONE, stateWords } from "../parts/states.ts";
import { Ago, Name, NONE, number, plural, shortKey } from "../parts/text.tsx";

export type ProvidersView = {
  viewer: Viewer;
  wanted: { q: string; state: string; region: string; order: string };
  regions: readonly string[];
  page: { rows: readonly ProviderRow[]; newer: string | null; older: string | null };
  /** Of those that fit, and of all. */
  found: number;
  total: number;
  online: number;
  nowMs: number;
};

const STATES = [
  ["", "Any"],
  ["online", "Online"],
  ["serving", "Serving"],
  ["idle", "Idle"],
  ["bare", "Serves nothing"],
  ["suspect", "Suspect"],
  ["paused", "Paused"],
  ["offline", "Offline"],
] as const;
const ORDERS = [
  ["state", "Ready first"],
  ["fast", "Fastest"],
  ["cheap", "Cheapest"],
  ["long", "Online longest"],
  ["new", "Newest"],
  ["name", "Name"],
] as const;

export const Providers = (view: ProvidersView): Markup => (
  <Shell viewer={view.viewer} title="Providers">
    <Head
      title="Providers"
      note={`${plural(view.online, "node")} online of ${number(view.total)} seen lately. Each sets its own models and prices.`}
    />
    <Filters list="list" action="/nodes">
      <Search label="Search" value={view.wanted.q} placeholder="Name, device, model or key" />
      <Select name="state" label="State" value={view.wanted.state} options={STATES} />
      <Select
        name="region"
        label="Region"
        value={view.wanted.region}
        options={[["", "Any"], ...view.regions.map((region) => [region, region] as const)]}
      />
      <Select name="order" label="Order" value={view.wanted.order} options={ORDERS} />
    </Filters>
    <section class="card" id="list" aria-label="Nodes">
      {view.page.rows.length > 0 ? <Rows {...view} /> : <NoNodes total={view.total} />}
      {(view.page.newer !== null || view.page.older !== null) && (
        <footer>
          <span>{plural(view.found, "node")}</span>
          <Pager list="list" newer={view.page.newer} older={view.page.older} />
        </footer>
      )}
    </section>
  </Shell>
);

const NoNodes = ({ total }: { total: number }): Markup =>
  total > 0 ? (
    <Empty
      icon="node"
      level={2}
      title="No node fits"
      act={
        <a class="button" href="/nodes">
          Show all nodes
        </a>
      }
    >
      None of those seen lately is all of that at once.
    </Empty>
  ) : (
    <Empty
      icon="node"
      level={2}
      title="No node has joined yet"
      act={
        <a class="button" href="/docs#join">
          Run a node
        </a>
      }
    >
      A node lends a machine to this network. It shows up here by itself.
    </Empty>
  );

const Rows = ({ page, nowMs }: ProvidersView): Markup => (
  <Table
    name="Directory"
    head={
      <>
        <Th>Node</Th>
        <Th>Now</Th>
        <Th>Region</Th>
        <Th>Device</Th>
        <Th>Models</Th>
        <Th n>In / out</Th>
        <Th n>Tok/s</Th>
        <Th n>Since</Th>
      </>
    }
  >
    {page.rows.map((row) => (
      <tr>
        <td>
          <a href={`/nodes/${row.pubkey}`}>
            <Name of={row.name} max={40} />
          </a>
          <p class="note key">{shortKey(row.pubkey)}</p>
        </td>
        <td class="end when">
          <Status tone={STATE_TONE[row.state]}>{stateWords(row.state, row.free)}</Status>
        </td>
        <td class="more when">{row.region === "" ? NONE : <Name of={row.region} max={24} />}</td>
        <td class="whole">{row.device === "" ? NONE : <Name of={row.device} max={48} />}</td>
        <td class="whole">
          <Models row={row} />
        </td>
        <td class="n" data-label="in / out">
          {row.prices === null ? NONE : inAndOut(row.prices)}
        </td>
        <td class="n end" data-label="tok/s">
          {row.tokensPerS === null ? NONE : number(row.tokensPerS)}
        </td>
        <td class="n more">
          <Ago ms={row.sinceMs} nowMs={nowMs} />
        </td>
      </tr>
    ))}
  </Table>
);

const inAndOut = ({ input, inputMax, output, outputMax }: NonNullable<ProviderRow["prices"]>): string =>
  inputMax + outputMax === 0 ? "free" : `${price(input, inputMax)} / ${price(output, outputMax)}`;

const Models = ({ row }: { row: ProviderRow }): Markup => (
  <>
    {row.modelNames.length === 0 && NONE}
    {row.modelNames.map((model, i) => (
      <>
        {i > 0 && ", "}
        <a href={modelHref(model)}>
          <Name of={model} max={32} />
        </a>
      </>
    ))}
    {row.models > row.modelNames.length && ` and ${number(row.models - row.modelNames.length)} more`}
  </>
);
