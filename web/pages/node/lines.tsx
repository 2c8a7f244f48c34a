// Lines: a table of nodes.

import type { Child } from "hono/jsx";
import type { NodeLine } from "../../../src/dashboard/nodes/lines.ts";
import { NodeLink } from "../../parts/job-state.tsx";
import type { Markup } from "../../parts/markup.ts";
import { Status, Table, Tag, Th } from "../../parts/parts.tsx";
import { Ago, dollars, Name, NONE, number, shortKey } from "../../parts/text.tsx";
import { toneOf, wordsOf } from "./state.tsx";

type Props = {
  /** Of this table in the page: its rows are told apart by it. */
  list: string;
  name: string;
  rows: readonly NodeLine[];
  nowMs: number;
  /** With pool, transport and role; for admins. */
  full?: boolean;
  billing: boolean;
  act?: (row: NodeLine) => Child;
};

export const NodeLines = ({ list, name, rows, nowMs, full = false, billing, act }: Props): Markup => (
  <Table
    name={name}
    head={
      <>
        <Th>Node</Th>
        <Th>State</Th>
        <Th>Models</Th>
        <Th n>Jobs</Th>
        <Th n>Tok/s</Th>
        {billing && <Th n>Earned today</Th>}
        <Th n>Seen</Th>
        {act && <Th hide>Actions</Th>}
      </>
    }
  >
    {rows.map((row) => (
      <tr id={`${list}-${row.pubkey}`}>
        <td>
          <NodeLink pubkey={row.pubkey} name={row.name} />
          <p class="note">
            <span class="key">{shortKey(row.pubkey)}</span>
            {full && <Place row={row} />}
            {row.behind !== null && (
              <>
                {" "}
                <Tag>
                  <Name of={row.behind} max={24} />, older than here
                </Tag>
              </>
            )}
          </p>
        </td>
        <td class="end">
          <Status tone={toneOf(row.state)}>{wordsOf(row.state, row.free)}</Status>
        </td>
        <td class="whole">
          <ModelNames row={row} />
        </td>
        <td class="n" data-label="jobs">
          {row.slots === 0 || row.running === null ? NONE : `${number(row.running)} / ${number(row.slots)}`}
        </td>
        <td class="n end" data-label="tok/s">
          {row.outputPerS === null ? NONE : number(row.outputPerS)}
        </td>
        {billing && (
          <td class="n" data-label="today">
            {row.earned === null ? NONE : dollars(row.earned)}
          </td>
        )}
        <td class="n end">{row.seenMs === null ? "never" : <Ago ms={row.seenMs} nowMs={nowMs} />}</td>
        {act && <td class="n whole end">{act(row)}</td>}
      </tr>
    ))}
  </Table>
);

const Place = ({ row: { role, transport, pool } }: { row: NodeLine }): Markup => (
  <>
    {role !== "provider" && (
      <>
        {" "}
        <Tag>{role}</Tag>
      </>
    )}
    {transport !== "link" && (
      <>
        {" "}
        <Tag>{transport}</Tag>
      </>
    )}
    {pool !== "" && (
      <>
        {" "}
        <Tag>
          <Name of={pool} max={32} />
        </Tag>
      </>
    )}
  </>
);

const ModelNames = ({ row: { models, modelNames } }: { row: NodeLine }): Markup =>
  models === 0 ? (
    <span class="note">{NONE}</span>
  ) : (
    <>
      {modelNames.map((model, i) => (
        <>
          {i > 0 && ", "}
          <Name of={model} max={32} />
        </>
      ))}
      {models > modelNames.length && ` and ${number(models - modelNames.length)} more`}
    </>
  );
