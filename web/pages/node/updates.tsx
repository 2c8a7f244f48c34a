// Updates: the parts of a node's page that change while it is open, each as it stands now, and its charts' newest rows.
import type { NodeShown } from "../../../src/dashboard/nodes/shown.ts";
import type { Markup } from "../../parts/markup.ts";
import type {} from "../../parts/partial.tsx";
import { DeviceCard } from "./aside.tsx";
import { chartsOf, rowOf } from "./charts.tsx";
import { Deeds } from "./deeds.tsx";
import { HistoryCard, JobsCard } from "./history.tsx";
import { InstallForm, Models } from "./models.tsx";
import { NodeFigures, NodeState, Notes } from "./state.tsx";
import { TermsNow } from "./terms.tsx";

/**
 * Morphed in, so that what has the focus keeps it. `of`: what was asked of the node and decided about it. An update like
 * the last one is not sent, and between the two an act may have shown its page something that is over by now.
 */
const Morphed = ({ id, of, children }: { id: string; of: string; children: Markup }): Markup => (
  <hx-partial hx-target={`#${id}`} hx-swap="outerMorph" data-of={of}>
    {children}
  </hx-partial>
);

function doingsOf({ inner }: NodeShown): string {
  if (!inner) return "";
  const { status, pool, maintenance, accountId } = inner.row;
  const commands = inner.commands.slice(0, 8).map(({ id, state }) => `${id.slice(-6)}${state}`);
  return [status, pool, maintenance, accountId, ...commands].join(" ");
}

/** Only a script asks for them: they carry no proof of a form's. */
export function nodeUpdates({ node, acts }: { node: NodeShown; acts: boolean }): Markup[] {
  const { inner } = node;
  const of = doingsOf(node);
  return [
    <Morphed of={of} id="node-state">
      <NodeState node={node} />
    </Morphed>,
    <Morphed of={of} id="node-notes">
      <Notes notes={inner?.notes ?? []} />
    </Morphed>,
    <Morphed of={of} id="node-figures">
      <NodeFigures node={node} />
    </Morphed>,
    <Morphed of={of} id="node-models">
      <Models node={node} acts={acts} csrf={null} />
    </Morphed>,
    <Morphed of={of} id="device-h-card">
      <DeviceCard node={node} />
    </Morphed>,
    ...(inner?.row.role === "provider"
      ? [
          <Morphed of={of} id="node-terms">
            <TermsNow node={node} inner={inner} />
          </Morphed>,
        ]
      : []),
    ...(inner
      ? [
          <Morphed of={of} id="jobs-h-card">
            <JobsCard node={node} inner={inner} />
          </Morphed>,
          <Morphed of={of} id="commands-h-card">
            <HistoryCard node={node} inner={inner} acts={acts} csrf={null} />
          </Morphed>,
        ]
      : []),
    ...(inner && acts
      ? [
          <Morphed of={of} id="node-install">
            <InstallForm node={node} inner={inner} csrf={null} />
          </Morphed>,
          <Morphed of={of} id="node-deeds">
            <Deeds node={node} inner={inner} csrf={null} />
          </Morphed>,
        ]
      : []),
  ];
}

/** The newest sample that is over: the one after it still grows. */
export function nodeTicks({ inner }: NodeShown): { event: string; data: string }[] {
  const sample = inner?.samples.at(-2);
  if (!inner || sample === undefined) return [];
  return chartsOf(inner.samples).map((chart) => ({
    event: `node-${chart.id}`,
    data: JSON.stringify(rowOf(chart, sample)),
  }));
}
