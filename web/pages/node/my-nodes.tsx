// My nodes: what one's machines do now, and the way to add one.
import type { NodeLine } from "../../../src/dashboard/nodes/lines.ts";
import type { Markup } from "../../parts/markup.ts";
import { Notify } from "../../parts/notify.tsx";
import { Partial } from "../../parts/partial.tsx";
import { Card, Csrf, Empty, Figure, Figures, Pager } from "../../parts/parts.tsx";
import { Head, LiveState, Shell, type Viewer } from "../../parts/shell.tsx";
import { dollars, Name, number } from "../../parts/text.tsx";
import { NodeLines } from "./lines.tsx";

export type MyNodesView = {
  rows: readonly NodeLine[];
  newer: string | null;
  older: string | null;
  nowMs: number;
  totals: {
    known: number;
    online: number;
    running: number;
    slots: number;
    outputPerS: number;
    /** µ$; null where nothing is charged. */
    earned: number | null;
  };
};
type Props = MyNodesView & { viewer: Viewer; search: string; mayAdd: boolean; account: string };

export const MyNodes = ({ viewer, search, mayAdd, account, ...view }: Props): Markup => (
  <Shell viewer={viewer} title="My nodes" live={`/live/my-nodes${search}`}>
    <Head
      title="My nodes"
      note={
        <>
          Owner: <Name of={account} max={40} />
        </>
      }
    >
      <LiveState />
      <Notify />
      {mayAdd && view.totals.known > 0 && <AddNode csrf={viewer.human?.csrf ?? ""} />}
    </Head>
    <Totals view={view} />
    <Rows view={view} empty={<NoNodes mayAdd={mayAdd} csrf={viewer.human?.csrf ?? ""} />} />
  </Shell>
);

/** Without nodes the page says how to add one, and stays so. */
export const myNodesUpdates = (view: MyNodesView): Markup[] =>
  view.totals.known === 0
    ? []
    : [
        <Partial target="#totals" swap="outerMorph">
          <Totals view={view} />
        </Partial>,
        <Partial target="#my-nodes-card" swap="outerMorph">
          <Rows view={view} empty={null} />
        </Partial>,
      ];

const Totals = ({ view }: { view: MyNodesView }): Markup => (
  <div id="totals" hidden={view.totals.known === 0}>
    <TotalFigures view={view} />
  </div>
);
const TotalFigures = ({ view: { totals } }: { view: MyNodesView }): Markup => (
  <Figures>
    <Figure label="Online" value={number(totals.online)} unit={`of ${number(totals.known)}`} />
    <Figure label="Output now" value={number(totals.outputPerS)} unit="tok/s" />
    <Figure label="Running jobs" value={number(totals.running)} unit={`of ${number(totals.slots)} slots`} />
    {totals.earned !== null && <Figure label="Earned today" value={dollars(totals.earned)} note="after the fee" />}
  </Figures>
);

const Rows = ({ view, empty }: { view: MyNodesView; empty: Markup | null }): Markup => (
  <Card
    id="my-nodes"
    title="Nodes"
    {...(view.newer === null && view.older === null
      ? {}
      : { footer: <Pager list="my-nodes-card" newer={view.newer} older={view.older} /> })}
  >
    {view.rows.length === 0 && empty !== null ? (
      empty
    ) : (
      <NodeLines
        list="node"
        name="My nodes"
        rows={view.rows}
        nowMs={view.nowMs}
        billing={view.totals.earned !== null}
      />
    )}
  </Card>
);

/** Makes a token and shows the command. */
const AddNode = ({ csrf }: { csrf: string }): Markup => (
  <form
    class="inline"
    method="post"
    action="/my/join-tokens"
    hx-post="/my/join-tokens"
    hx-target="#main"
    hx-select="#main"
    hx-swap="outerHTML show:top"
    hx-push-url="/my/join-tokens"
  >
    <Csrf token={csrf} />
    <button type="submit" class="act" id="add-node">
      Add a node
    </button>
  </form>
);

const NoNodes = ({ mayAdd, csrf }: { mayAdd: boolean; csrf: string }): Markup =>
  mayAdd ? (
    <Empty icon="node" title="No nodes yet" act={<AddNode csrf={csrf} />}>
      A node is a machine of yours that answers for models and dials out from behind any router. It shows here with its
      load, its models and what it earns.
    </Empty>
  ) : (
    <Empty
      icon="node"
      title="No nodes yet"
      act={
        <a class="button" href="/docs#join">
          How to join
        </a>
      }
    >
      Nodes of this account show here. Adding one takes an owner of the account with the role operator, which an admin
      gives.
    </Empty>
  );
