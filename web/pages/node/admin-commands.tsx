// Commands: what nodes were asked to do, over all of them or of one.
import type { CommandRow } from "../../../src/admin/operations.ts";
import { Act } from "../../parts/act.tsx";
import { CommandRows } from "../../parts/command-rows.tsx";
import type { Markup } from "../../parts/markup.ts";
import { Card, Empty, Pager } from "../../parts/parts.tsx";
import { Head, Shell, type Viewer } from "../../parts/shell.tsx";
import { shortId, shortKey } from "../../parts/text.tsx";
import { NodeTabs } from "./tabs.tsx";

type Props = {
  viewer: Viewer;
  rows: readonly CommandRow[];
  nowMs: number;
  /** The next page, and the first one. */
  older: string | null;
  newest: string | null;
  /** Only those of this node. */
  node: string | null;
};

export const AdminCommands = ({ viewer, rows, nowMs, older, newest, node }: Props): Markup => (
  <Shell viewer={viewer} title="Commands to nodes">
    <Head title="Nodes" />
    <NodeTabs here="commands" />
    <Card
      id="commands"
      title={node === null ? "Commands" : `Commands to ${shortKey(node)}`}
      aside={node !== null && <a href="/admin/nodes/commands">All nodes</a>}
      {...(older === null && newest === null
        ? {}
        : { footer: <Pager list="commands-card" newer={newest} older={older} /> })}
    >
      {rows.length === 0 ? (
        <Empty icon="log" title="Nothing was asked yet">
          Installs, drains and restarts show here for 30 days, with how each ended.
        </Empty>
      ) : (
        <CommandRows
          name="List of commands"
          rows={rows}
          nowMs={nowMs}
          nodes
          act={(row) =>
            row.ended_ms === null && (
              <Act
                to={`/nodes/${row.node}/commands/${row.id}/cancel`}
                csrf={viewer.human?.csrf ?? ""}
                look="plain"
                label={`Cancel command ${shortId(row.id)}`}
              >
                Cancel
              </Act>
            )
          }
        />
      )}
    </Card>
  </Shell>
);
