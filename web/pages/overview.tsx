// Overview: what the network does now, and what waits for an admin.
import type { LoadNow } from "../../src/stats/stats.ts";
import type { Markup } from "../parts/markup.ts";
import { Figure, Figures } from "../parts/parts.tsx";
import { Head, LiveState, Shell, type Viewer } from "../parts/shell.tsx";
import { number, plural } from "../parts/text.tsx";

export const Overview = ({ viewer, now }: { viewer: Viewer; now: LoadNow }): Markup => (
  <Shell viewer={viewer} title="Overview" live="/live/overview">
    <Head title="Overview">
      <LiveState />
    </Head>
    <OverviewFigures now={now} />
  </Shell>
);

export const OverviewFigures = ({ now }: { now: LoadNow }): Markup => (
  <Figures id="figures">
    <Figure label="Output" value={number(now.outputPerS)} unit="tok/s" note={plural(now.nodes.online, "node")} />
    <Figure label="Running jobs" value={number(now.running)} unit={`of ${number(now.slots)} slots`} />
  </Figures>
);
