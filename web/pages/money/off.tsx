// Off: what stands where pages of money would be, while nothing is charged.

import { Code } from "../../parts/code.tsx";
import type { Markup } from "../../parts/markup.ts";
import { Body, Card } from "../../parts/parts.tsx";
import { Head, Shell, type Viewer } from "../../parts/shell.tsx";

export const NothingIsCharged = ({ viewer }: { viewer: Viewer }): Markup => (
  <Shell viewer={viewer} title="Money">
    <Head title="Nothing is charged here" note="Usage is counted all the same, and nobody earns." />
    <Card id="turn-on" title="Turn billing on">
      <Body>
        <p>
          With credits, admins give credit, requests spend it and nodes earn. With Solana, money comes in from the chain
          and is paid out to nodes on it. Put this into config.toml and start the coordinator again:
        </p>
        <Code id="turn-on-toml" name="config.toml" text={'[billing]\nmode = "credits"   # or "solana"'} />
      </Body>
    </Card>
  </Shell>
);
