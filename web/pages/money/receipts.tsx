// Receipts: those of one's nodes, or of what one paid: what each is for, whether its node vouches for it, and the file.
import type { Markup } from "../../parts/markup.ts";
import { DayFields } from "../../parts/movements.tsx";
import { Card, Empty, Filters, Pager, Segments, Select, Status, Table, Th } from "../../parts/parts.tsx";
import { Head, Shell, type Viewer } from "../../parts/shell.tsx";
import { dollars, Name, number, plainName, shortId, shortKey, When } from "../../parts/text.tsx";

export type ReceiptLine = {
  node: string;
  /** Its number in the node's chain. */
  seq: number;
  attempt: string;
  model: string;
  finishedMs: number;
  /** µ$. */
  gross: bigint;
  nodeAmount: bigint;
  fee: bigint;
  countersigned: boolean;
  /** What paid it; null: nothing yet. */
  paid: string | null;
};
export type ReceiptsView = {
  viewer: Viewer;
  side: "node" | "paid";
  node: string | null;
  nodes: readonly { pubkey: string; name: string }[];
  job: string;
  from: string;
  to: string;
  why: string | null;
  rows: readonly ReceiptLine[];
  /** Whether the jobs' pages are open to who looks. */
  jobs: boolean;
  newer: string | null;
  older: string | null;
  /** All that the filter has, as a file. */
  file: string;
};

export const Receipts = (view: ReceiptsView): Markup => (
  <Shell viewer={view.viewer} title="Receipts">
    <Head title="Receipts" note="Signed for each answer, and verified on any machine without asking anybody.">
      <Segments
        name="Whose receipts"
        all={[
          { href: "/my/receipts?of=node", label: "Of my nodes", here: view.side === "node" },
          { href: "/my/receipts?of=paid", label: "What I paid", here: view.side === "paid" },
        ]}
      />
    </Head>
    <Filters list="receipts-card" action="/my/receipts">
      <input type="hidden" name="of" value={view.side} />
      {view.side === "node" && view.nodes.length > 0 && (
        <Select
          name="node"
          label="Node"
          value={view.node ?? ""}
          options={view.nodes.map(
            ({ pubkey, name }) => [pubkey, name === "" ? shortKey(pubkey) : plainName(name, 32)] as const,
          )}
        />
      )}
      <label>
        Job
        <input type="search" name="job" value={view.job} placeholder="its id" maxlength={64} autocomplete="off" />
      </label>
      <DayFields from={view.from} to={view.to} why={view.why} />
    </Filters>
    <Card
      id="receipts"
      title={view.side === "node" ? "Of my nodes" : "What I paid"}
      aside={
        <span class="row">
          <a href="/check">Check a receipt</a>
          {view.rows.length > 0 && (
            <a class="button" href={view.file} download="receipts.jsonl">
              Export
            </a>
          )}
        </span>
      }
      footer={<Pager list="receipts-card" newer={view.newer} older={view.older} />}
    >
      {view.rows.length === 0 ? (
        <None side={view.side} filtered={view.job !== "" || view.from !== "" || view.to !== ""} />
      ) : (
        <Rows {...view} />
      )}
    </Card>
  </Shell>
);

const None = ({ side, filtered }: { side: "node" | "paid"; filtered: boolean }): Markup =>
  filtered ? (
    <Empty icon="log" title="No receipt matches">
      Choose other days, or clear the job.
    </Empty>
  ) : (
    <Empty icon="log" title="No receipts yet">
      {side === "node"
        ? "Each answer that a node of yours gives has one: who asked for what, how much it cost, what the node has of it."
        : "Each answer that you pay for has one: which node gave it, how much it cost, hashes of request and answer."}
    </Empty>
  );

const Rows = ({ rows, side, jobs }: ReceiptsView): Markup => (
  <Table
    name="Receipts"
    head={
      <>
        <Th>Ended</Th>
        <Th n>Number</Th>
        <Th>Job</Th>
        <Th>Model</Th>
        <Th n>{side === "node" ? "Earned" : "Paid"}</Th>
        <Th>Signed</Th>
        <Th hide>File</Th>
      </>
    }
  >
    {rows.map((row) => (
      <tr>
        <td>
          <When ms={row.finishedMs} />
        </td>
        <td class="n end" data-label="Number">
          <a href={`/nodes/${row.node}`} aria-label={`Node ${shortKey(row.node)}, number ${row.seq}`}>
            {side === "paid" && <code>{`${shortKey(row.node)} `}</code>}
            {number(row.seq)}
          </a>
        </td>
        <td>
          {jobs ? (
            <a href={`/jobs/${row.attempt.slice(0, 36)}`}>
              <code>{shortId(row.attempt)}</code>
            </a>
          ) : (
            <code>{shortId(row.attempt)}</code>
          )}
        </td>
        <td class="wrap end">
          <Name of={row.model} max={40} />
        </td>
        <td class="n">
          {dollars(side === "node" ? row.nodeAmount : row.gross)}
          {side === "node" && <small>{` of ${dollars(row.gross)}`}</small>}
        </td>
        <td class="end">
          <Status tone={row.countersigned ? "ok" : "wait"}>
            {row.countersigned ? "By both" : "By the coordinator"}
          </Status>
          {side === "node" && row.paid !== null && (
            <small>{row.paid.startsWith("outside/") ? " · settled" : " · in a payout"}</small>
          )}
        </td>
        <td class="n whole end">
          <a
            class="button"
            href={`/my/receipts/${encodeURIComponent(row.attempt)}`}
            download={`receipt-${row.attempt}.json`}
            aria-label={`Download receipt ${row.attempt}`}
          >
            Download
          </a>
        </td>
      </tr>
    ))}
  </Table>
);
