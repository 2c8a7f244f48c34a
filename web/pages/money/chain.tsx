// Chain: the keys that act on it, stakes of nodes, and what the oracle published.
import type { Markup } from "../../parts/markup.ts";
import { MoneyNav } from "../../parts/money-nav.tsx";
import { Body, Card, Copy, Empty, Fact, Facts, Status, Table, Th } from "../../parts/parts.tsx";
import { Head, Shell, type Viewer } from "../../parts/shell.tsx";
import { dollars, Name, NONE, number, plainName, shortKey, When } from "../../parts/text.tsx";

type StakeLine = {
  node: string;
  name: string | null;
  kind: "pledge" | "multisig";
  wallet: string;
  /** µ$ that could be slashed. */
  amount: bigint;
  unspendable: string | null;
  observedMs: number | null;
};
type EpochLine = {
  epoch: number;
  startMs: number;
  endMs: number;
  nodes: number;
  root: string;
  signature: string | null;
};
type ChainView = {
  viewer: Viewer;
  settlement: string;
  treasury: string | null;
  network: string;
  mint: string;
  endpoints: readonly { url: string; state: string; error: string | null }[];
  /** What a node has to stake to have work; null: unknown. */
  minimum: bigint | null;
  stakes: readonly StakeLine[];
  /** Null: nothing is published. */
  epochs: readonly EpochLine[] | null;
};

export const ChainPage = (view: ChainView): Markup => (
  <Shell viewer={view.viewer} title="Chain">
    <Head title="Chain" crumb={{ href: "/admin/money", label: "Money" }}>
      <MoneyNav here="/admin/money/chain" onChain />
    </Head>
    <div class="cols">
      <div class="stack">
        <Stakes {...view} />
        {view.epochs !== null && <Epochs epochs={view.epochs} />}
      </div>
      <div class="stack">
        <Keys {...view} />
        <Servers {...view} />
      </div>
    </div>
  </Shell>
);

const Address = ({ text, label }: { text: string; label: string }): Markup => (
  <>
    <code>{text}</code> <Copy text={text} label={label} />
  </>
);

const Keys = ({ settlement, treasury, network, mint }: ChainView): Markup => (
  <Card id="keys" title="Addresses">
    <Body>
      <Facts>
        <Fact name="Settlement key">
          <Address text={settlement} label="Copy the settlement key's address" />
        </Fact>
        <Fact name="Treasury">
          {treasury === null ? NONE : <Address text={treasury} label="Copy the treasury's address" />}
        </Fact>
        <Fact name="Token (mint)">
          <Address text={mint} label="Copy the mint's address" />
        </Fact>
        <Fact name="Network">
          <Address text={network} label="Copy the network's genesis hash" />
        </Fact>
      </Facts>
      <p class="note">The settlement key pays fees and rent: keep some SOL on it.</p>
    </Body>
  </Card>
);

const Servers = ({ endpoints }: ChainView): Markup => (
  <Card id="servers" title="RPC servers">
    <ul class="list">
      {endpoints.map(({ url, state, error }) => (
        <li>
          <div>
            <Status tone={state === "ok" ? "ok" : state === "unknown" ? "off" : "warn"}>
              {state === "ok"
                ? "Answers"
                : state === "unknown"
                  ? "Not asked yet"
                  : state === "failing"
                    ? "Fails"
                    : "Another network"}
            </Status>{" "}
            <code class="wrap">{plainName(url, 120)}</code>
            {error !== null && <p class="note wrap">{plainName(error, 200)}</p>}
          </div>
        </li>
      ))}
    </ul>
  </Card>
);

const Stakes = ({ stakes, minimum }: ChainView): Markup => (
  <Card
    id="stakes"
    title="Stakes"
    aside={minimum !== null && minimum > 0n && <span class="note">{`at least ${dollars(minimum)} to have work`}</span>}
    footer={
      <span>
        What one is, its releases and slashes are behind its kind. Opening and registering one takes its wallet's
        signature: <code>infernet stake open</code>
      </span>
    }
  >
    {stakes.length === 0 ? (
      <Empty icon="coin" title="No stakes">
        Nodes may put money at stake that can be taken from them. <code>infernet stake open</code> begins it.
      </Empty>
    ) : (
      <Table
        name="Stakes by node"
        head={
          <>
            <Th>Node</Th>
            <Th>Kind</Th>
            <Th n>Amount</Th>
            <Th>Stands</Th>
            <Th>Seen</Th>
          </>
        }
      >
        {stakes.map(({ node, name, kind, amount, unspendable, observedMs }) => (
          <tr>
            <td class="wrap">
              <a href={`/nodes/${node}`}>{name ? <Name of={name} /> : <code>{shortKey(node)}</code>}</a>
            </td>
            <td class="end">
              <a href={`/admin/money/stakes/${node}`}>
                {kind === "pledge" ? "Pledge, its owner may revoke it" : "Enforceable, two of three sign"}
              </a>
            </td>
            <td class="n">{dollars(amount)}</td>
            <td class="end">
              <Status tone={unspendable === null ? "ok" : "warn"}>
                {unspendable === null ? "There" : unspendable.replaceAll("_", " ")}
              </Status>
            </td>
            <td>{observedMs === null ? NONE : <When ms={observedMs} />}</td>
          </tr>
        ))}
      </Table>
    )}
  </Card>
);

const Epochs = ({ epochs }: { epochs: readonly EpochLine[] }): Markup => (
  <Card id="epochs" title="Oracle" aside={<a href="/api/v1/oracle/epochs">As JSON</a>}>
    {epochs.length === 0 ? (
      <Empty icon="log" title="Nothing published yet">
        The first epoch is published once it has ended.
      </Empty>
    ) : (
      <Table
        name="Epochs"
        head={
          <>
            <Th n>Epoch</Th>
            <Th>Ended</Th>
            <Th n>Nodes</Th>
            <Th>Root</Th>
            <Th>On the chain</Th>
          </>
        }
      >
        {epochs.map(({ epoch, endMs, nodes, root, signature }) => (
          <tr>
            <td class="n">
              <a href={`/api/v1/oracle/epochs/${epoch}`}>{epoch}</a>
            </td>
            <td class="end">
              <When ms={endMs} />
            </td>
            <td class="n" data-label="Nodes">
              {number(nodes)}
            </td>
            <td class="end">
              <code>{`${root.slice(0, 12)}…`}</code> <Copy text={root} label={`Copy the root of epoch ${epoch}`} />
            </td>
            <td>
              <Status tone={signature === null ? "wait" : "ok"}>{signature === null ? "Not yet" : "Published"}</Status>
            </td>
          </tr>
        ))}
      </Table>
    )}
  </Card>
);
