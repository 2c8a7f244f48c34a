// Command rows: what nodes were asked to do and how each ended, as a table.
import type { Child } from "hono/jsx";
import type { CommandRow } from "../../src/admin/operations.ts";
import { commandState, commandVerb, progressOf, termWord } from "./command.ts";
import { NodeLink } from "./job-state.tsx";
import type { Markup } from "./markup.ts";
import { Status, Table, Th } from "./parts.tsx";
import { Ago, Name, plainName } from "./text.tsx";

type Props = {
  name: string;
  rows: readonly CommandRow[];
  nowMs: number;
  /** With the node of each. */
  nodes?: boolean;
  act: (row: CommandRow) => Child;
};

export const CommandRows = ({ name, rows, nowMs, nodes = false, act }: Props): Markup => (
  <Table
    name={name}
    head={
      <>
        <Th>Command</Th>
        {nodes && <Th>Node</Th>}
        <Th>State</Th>
        <Th n>Asked</Th>
        <Th hide>Actions</Th>
      </>
    }
  >
    {rows.map((row) => (
      <tr>
        <td>
          {commandVerb(row.command)}
          {row.terms !== undefined && ` ${Object.keys(row.terms).map(termWord).join(", ")}`}
          {row.model !== null && (
            <>
              {" "}
              <Name of={row.model} />
            </>
          )}
        </td>
        {nodes && (
          <td class="end">
            <NodeLink pubkey={row.node} name={row.node_name ?? ""} />
          </td>
        )}
        <td class="whole">
          <Where row={row} nowMs={nowMs} />
        </td>
        <td class="n">
          <Ago ms={row.created_ms} nowMs={nowMs} />
        </td>
        <td class="n end">{act(row)}</td>
      </tr>
    ))}
  </Table>
);

function Where({ row, nowMs }: { row: CommandRow; nowMs: number }): Markup {
  const [tone, word] = commandState(row);
  const progress = progressOf(row, nowMs);
  const more = row.error ?? progress?.words ?? null;
  return (
    <Status tone={tone}>
      {word}
      {more !== null && (
        <>
          : <bdi>{plainName(more, 200)}</bdi>
        </>
      )}
    </Status>
  );
}
