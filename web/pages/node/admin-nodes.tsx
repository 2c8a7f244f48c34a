// Admin nodes: who waits to be let in, and all nodes, filtered, a page at a time.
import type { Wanted } from "../../../src/dashboard/nodes/admin-nodes.ts";
import type { NodeLine } from "../../../src/dashboard/nodes/lines.ts";
import { Act } from "../../parts/act.tsx";
import type { Markup } from "../../parts/markup.ts";
import { Partial } from "../../parts/partial.tsx";
import { Body, Card, Csrf, Empty, Figure, Figures, Filters, Pager, Search, Select } from "../../parts/parts.tsx";
import { Head, LiveState, Shell, type Viewer } from "../../parts/shell.tsx";
import { number, plainName } from "../../parts/text.tsx";
import { NodeLines } from "./lines.tsx";
import { NodeTabs } from "./tabs.tsx";

export type NodeCounts = Record<"all" | "online" | "suspect" | "paused" | "pending" | "offline" | "ejected", number>;
export type AdminNodesView = {
  wanted: Wanted;
  counts: NodeCounts;
  rows: readonly NodeLine[];
  newer: string | null;
  older: string | null;
  /** The first of those that wait, on the first page. */
  waiting: readonly NodeLine[];
  nowMs: number;
  billing: boolean;
};
type Props = AdminNodesView & { viewer: Viewer; search: string };

const ANY = ["", "Any"] as const;
const TRANSPORTS = [ANY, ["link", "WebSocket"], ["polling", "Polls"], ["worker", "Worker"]] as const;
const ROLES = [ANY, ["provider", "provider"], ["client", "client"], ["aggregator", "aggregator"]] as const;
const STATES = [
  ANY,
  ["online", "Online"],
  ["bare", "Serves nothing"],
  ["suspect", "Suspect"],
  ["paused", "Paused"],
  ["pending", "Waits for approval"],
  ["offline", "Offline"],
  ["ejected", "Ejected"],
] as const;

export function AdminNodes({ viewer, search, ...view }: Props): Markup {
  const csrf = viewer.human?.csrf ?? "";
  const { wanted } = view;
  return (
    <Shell viewer={viewer} title="Nodes" live={`/live/admin-nodes${search}`}>
      <Head title="Nodes">
        <LiveState />
        <a class="button act" href="/admin/nodes/tokens">
          Add a node
        </a>
      </Head>
      <NodeTabs here="nodes" />
      <Counts counts={view.counts} />
      <Waiting view={view} csrf={csrf} />
      <Filters list="all-nodes-card" action="/admin/nodes">
        <Search label="Name or key begins with" value={wanted.q} placeholder="gpu- or 3f8a" />
        <Select name="state" label="State" value={wanted.state} options={STATES} />
        <label>
          Pool
          <input
            name="pool"
            value={wanted.pool}
            maxlength={64}
            placeholder="any"
            autocomplete="off"
            spellcheck={false}
          />
        </label>
        <Select name="transport" label="Link" value={wanted.transport} options={TRANSPORTS} />
        <Select name="role" label="Role" value={wanted.role} options={ROLES} />
      </Filters>
      <Rows view={view} csrf={csrf} />
      <AllowForm csrf={csrf} />
    </Shell>
  );
}

export const adminNodesUpdates = (view: AdminNodesView): Markup[] => [
  <Partial target="#node-counts" swap="outerMorph">
    <Counts counts={view.counts} />
  </Partial>,
  <Partial target="#waiting" swap="outerMorph">
    <Waiting view={view} csrf={null} />
  </Partial>,
  <Partial target="#all-nodes-card" swap="outerMorph">
    <Rows view={view} csrf={null} />
  </Partial>,
];

const Counts = ({ counts }: { counts: NodeCounts }): Markup => (
  <Figures id="node-counts">
    <Count label="Online" of="online" value={counts.online} />
    <Count label="Suspect" of="suspect" value={counts.suspect} />
    <Count label="Paused" of="paused" value={counts.paused} />
    <Count label="Wait for approval" of="pending" value={counts.pending} />
    <Count label="Offline" of="offline" value={counts.offline} />
    <Count label="Ejected" of="ejected" value={counts.ejected} />
  </Figures>
);
const Count = ({ label, of, value }: { label: string; of: string; value: number }): Markup => (
  <Figure label={label} value={number(value)} note={value > 0 ? <a href={`/admin/nodes?state=${of}`}>Show</a> : ""} />
);

const Waiting = ({ view, csrf }: { view: AdminNodesView; csrf: string | null }): Markup => (
  <div id="waiting" hidden={view.waiting.length === 0}>
    {view.waiting.length > 0 && (
      <Card
        id="waiting-h"
        title="Wait for approval"
        aside={
          view.counts.pending > view.waiting.length && (
            <a href="/admin/nodes?state=pending">All {number(view.counts.pending)}</a>
          )
        }
      >
        <NodeLines
          list="waits"
          name="List of those that wait"
          rows={view.waiting}
          nowMs={view.nowMs}
          full
          billing={false}
          act={(row) => <Decide row={row} csrf={csrf} />}
        />
      </Card>
    )}
  </div>
);

const Rows = ({ view, csrf }: { view: AdminNodesView; csrf: string | null }): Markup => (
  <Card
    id="all-nodes"
    title="All nodes"
    aside={<span class="note">{number(view.counts.all)} known</span>}
    {...(view.newer === null && view.older === null
      ? {}
      : { footer: <Pager list="all-nodes-card" newer={view.newer} older={view.older} /> })}
  >
    {view.rows.length === 0 ? (
      <NoNodes any={view.counts.all > 0} />
    ) : (
      <NodeLines
        list="node"
        name="List of all nodes"
        rows={view.rows}
        nowMs={view.nowMs}
        full
        billing={view.billing}
        {...(view.waiting.length === 0 && view.rows.some(({ status }) => status === "pending")
          ? { act: (row: NodeLine) => row.status === "pending" && <Decide row={row} csrf={csrf} /> }
          : {})}
      />
    )}
  </Card>
);

const NoNodes = ({ any }: { any: boolean }): Markup =>
  any ? (
    <Empty
      icon="node"
      title="No node fits"
      act={
        <a class="button" href="/admin/nodes">
          Show all nodes
        </a>
      }
    >
      None of them is all of that at once.
    </Empty>
  ) : (
    <Empty
      icon="node"
      title="No nodes yet"
      act={
        <a class="button act" href="/admin/nodes/tokens">
          Make a join token
        </a>
      }
    >
      A node is a machine that answers for models. Make a join token, and paste the command there.
    </Empty>
  );

function Decide({ row, csrf }: { row: NodeLine; csrf: string | null }): Markup {
  const name = plainName(row.name);
  return (
    <div class="row end">
      <Act to={`/nodes/${row.pubkey}/approve`} csrf={csrf} label={`Approve ${name}`}>
        Approve
      </Act>
      <Act
        to={`/nodes/${row.pubkey}/eject`}
        csrf={csrf}
        look="plain"
        label={`Refuse ${name}`}
        ask={{ title: `Refuse ${name}?`, what: "Its key is refused until you let it in.", act: "Refuse node" }}
      >
        Refuse…
      </Act>
    </div>
  );
}

const AllowForm = ({ csrf }: { csrf: string }): Markup => (
  <Card id="allow-key" title="Let a key in beforehand">
    <Body>
      <p class="note">
        For a machine whose public key you know; on it, <code>infernet status</code> shows the key.
      </p>
      <form class="filters" method="post" action="/admin/nodes/allow" hx-post="/admin/nodes/allow" hx-swap="none">
        <Csrf token={csrf} />
        <label>
          Public key
          <input name="pubkey" required minlength={64} maxlength={64} autocomplete="off" spellcheck={false} />
        </label>
        <Select name="role" label="As" value="provider" options={ROLES.slice(1)} />
        <button type="submit">Let it in</button>
      </form>
    </Body>
  </Card>
);
