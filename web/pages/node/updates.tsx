// Updates: the parts of a node's page that change while it is open, each as it stands now, and its charts' newest rows.
import type { NodeShown } from "../../../src/dashboard/nodes/shown.ts";
import type { Markup } from "../../parts/markup.ts";
import { Partial } from "../../parts/partial.tsx";
import { DeviceCard } from "./aside.tsx";
import { chartsOf, rowOf } from "./charts.tsx";
import { Deeds } from "./deeds.tsx";
import { HistoryCard, JobsCard } from "./history.tsx";
import { Models } from "./models.tsx";
import { NodeFigures, NodeState, Notes } from "./state.tsx";

/** Morphed in, so that what has the focus keeps it. */
const Morphed = ({ id, children }: { id: string; children: Markup }): Markup => (
  <Partial target={`#${id}`} swap="outerMorph">
    {children}
  </Partial>
);

/** Only a script asks for them: they carry no proof of a form's. */
export function nodeUpdates({ node, acts }: { node: NodeShown; acts: boolean }): Markup[] {
  const { inner } = node;
  return [
    <Morphed id="node-state">
      <NodeState node={node} />
    </Morphed>,
    <Morphed id="node-notes">
      <Notes notes={inner?.notes ?? []} />
    </Morphed>,
    <Morphed id="node-figures">
      <NodeFigures node={node} />
    </Morphed>,
    <Morphed id="node-models">
      <Models node={node} acts={acts} csrf={null} />
    </Morphed>,
    <Morphed id="device-h-card">
      <DeviceCard node={node} />
    </Morphed>,
    ...(inner
      ? [
          <Morphed id="jobs-h-card">
            <JobsCard node={node} inner={inner} />
          </Morphed>,
          <Morphed id="commands-h-card">
            <HistoryCard node={node} inner={inner} acts={acts} csrf={null} />
          </Morphed>,
        ]
      : []),
    ...(inner && acts
      ? [
          <Morphed id="node-deeds">
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
