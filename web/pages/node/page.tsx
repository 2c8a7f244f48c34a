// Node: one machine of the network: for everybody what it is and serves, for who runs it all there is, with what can be
// done about it.
import type { NodeShown } from "../../../src/dashboard/nodes/shown.ts";
import { PRICES_SCRIPT } from "../../parts/assets.ts";
import type { Markup } from "../../parts/markup.ts";
import { Card } from "../../parts/parts.tsx";
import { Head, LiveState, Shell, type Viewer } from "../../parts/shell.tsx";
import { Name, plainName, size } from "../../parts/text.tsx";
import { DeviceCard, OwnerCard, PaceCard } from "./aside.tsx";
import { LoadCharts } from "./charts.tsx";
import { Deeds } from "./deeds.tsx";
import { EarningsCard, HistoryCard, JobsCard } from "./history.tsx";
import { InstallForm, Models, Suggestions } from "./models.tsx";
import { NodeFigures, NodeState, Notes } from "./state.tsx";
import { TermsCard, type TermsSent } from "./terms.tsx";

/** `csrf`: null where nobody is signed in; `acts`: whether they may command it; `sent`: terms that were not right. */
export type NodePageProps = {
  viewer: Viewer;
  node: NodeShown;
  acts: boolean;
  suggestions: readonly string[];
  sent: TermsSent | null;
};

export function NodePage({ viewer, node, acts, suggestions, sent }: NodePageProps): Markup {
  const csrf = viewer.human?.csrf ?? null;
  const crumb =
    node.right === "admin"
      ? { href: "/admin/nodes", label: "Nodes" }
      : node.right === "owner"
        ? { href: "/my/nodes", label: "My nodes" }
        : { href: "/nodes", label: "Providers" };
  const { inner } = node;
  return (
    <Shell
      viewer={{ ...viewer, path: crumb.href }}
      title={plainName(node.name)}
      live={`/live/nodes/${node.pubkey}`}
      charts={inner !== null}
      scripts={acts ? [PRICES_SCRIPT] : []}
    >
      <Head crumb={crumb} title={<Name of={node.name} />}>
        <LiveState />
        <NodeState node={node} />
        {acts && inner && <Deeds node={node} inner={inner} csrf={csrf} />}
      </Head>
      <Notes notes={inner?.notes ?? []} />
      <NodeFigures node={node} />
      <div class="cols">
        <div class="stack">
          {inner && <LoadCharts inner={inner} />}
          <Card
            id="models-h"
            title="Models"
            aside={inner?.machine?.disk_free_mib !== undefined && <DiskFree mib={inner.machine.disk_free_mib} />}
          >
            <Models node={node} acts={acts} csrf={csrf} />
            {acts && inner && <InstallForm node={node} inner={inner} csrf={csrf} />}
            {acts && <Suggestions models={suggestions} />}
          </Card>
          {inner && <LoadCharts inner={inner} rest />}
          {inner && node.billing && <EarningsCard inner={inner} />}
          {inner && <JobsCard node={node} inner={inner} />}
          {inner && <HistoryCard node={node} inner={inner} acts={acts} csrf={csrf} />}
        </div>
        <div class="stack">
          <DeviceCard node={node} />
          {inner?.row.role === "provider" && (
            <TermsCard node={node} inner={inner} acts={acts} csrf={csrf} sent={sent} />
          )}
          {inner && <PaceCard node={node} inner={inner} />}
          {inner && <OwnerCard node={node} inner={inner} csrf={csrf} acts={acts} />}
        </div>
      </div>
    </Shell>
  );
}

const MIB = 1_048_576;
const DiskFree = ({ mib }: { mib: number }): Markup => <span class="note">{size(mib * MIB)} free on disk</span>;
