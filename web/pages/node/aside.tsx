// Aside: what the machine is, how it compares, and whose it is.
import type { NodeInner, NodeShown } from "../../../src/dashboard/nodes/shown.ts";
import { Act } from "../../parts/act.tsx";
import type { Markup } from "../../parts/markup.ts";
import { Card, Copy, Csrf, Fact, Facts, Score, Status, Tag } from "../../parts/parts.tsx";
import { Ago, duration, Name, NONE, number, plainName, shortKey, size, When } from "../../parts/text.tsx";

const MIB = 1_048_576;

export const DeviceCard = ({ node }: { node: NodeShown }): Markup => (
  <Card id="device-h" title="Device">
    <div class="body" id="node-device">
      <Facts>
        {node.inner ? <Machine node={node} inner={node.inner} /> : <Outside node={node} />}
        <Fact name="Key">
          <span class="key">{shortKey(node.pubkey)}</span> <Copy text={node.pubkey} label="Copy the key" />
        </Fact>
      </Facts>
    </div>
  </Card>
);

/** What everybody may know. */
const Outside = ({ node }: { node: NodeShown }): Markup => (
  <>
    <Fact name="Device">{node.device === "" ? NONE : <Name of={node.device} />}</Fact>
    <Fact name="Region">{node.region === "" ? NONE : <Name of={node.region} max={32} />}</Fact>
    <Fact name="Slots">{number(node.slots)}</Fact>
  </>
);

const TRANSPORTS = { link: "WebSocket", polling: "Polls", worker: "Worker, by API key" } as const;

function Machine({ node, inner }: { node: NodeShown; inner: NodeInner }): Markup {
  const { machine, backends, version, behind, rttMs, row } = inner;
  const gpus = machine?.gpus ?? [];
  return (
    <>
      {gpus.map(({ name, vram_mib, driver }) => (
        <Fact name="GPU">
          <Name of={name} />
          {vram_mib !== null && `, ${size(vram_mib * MIB)}`}
          {driver !== undefined && (
            <>
              , driver <Name of={driver} max={32} />
            </>
          )}
        </Fact>
      ))}
      <Fact name="CPU">
        {machine === null || machine.cpu === "" ? NONE : <Name of={machine.cpu} />}
        {machine !== null && machine.cores > 0 && `, ${number(machine.cores)} cores`}
      </Fact>
      <Fact name="Memory">{machine === null || machine.memory_mib === 0 ? NONE : size(machine.memory_mib * MIB)}</Fact>
      <Fact name="System">
        {machine === null || machine.os === "" ? NONE : <Name of={`${machine.os} ${machine.arch}`} />}
      </Fact>
      {backends.map(({ kind, healthy }) => (
        <Fact name="Backend">
          <Status tone={healthy ? "ok" : "bad"}>{healthy ? kind : `${kind} does not answer`}</Status>
        </Fact>
      ))}
      <Fact name="Version">
        {version === null || version === "" ? NONE : <Name of={`infernet ${version}`} max={40} />}{" "}
        {behind && <Tag>older than here</Tag>}
      </Fact>
      <Fact name="Link">
        {TRANSPORTS[row.transport]}
        {rttMs !== null && `, ${duration(rttMs)}`}
      </Fact>
      <Fact name="Region">
        {inner.claimedRegion === "" ? NONE : <Name of={inner.claimedRegion} max={32} />}
        {inner.claimedRegion !== "" && node.region === "" && " (not believed: its round trip says otherwise)"}
      </Fact>
    </>
  );
}

/** What steers how much work it gets, as far as it was measured: each with its source, and no mark made of them. */
export function PaceCard({ node, inner }: { node: NodeShown; inner: NodeInner }): Markup {
  const done = inner.days.reduce((sum, { completed }) => sum + completed, 0);
  const failed = inner.days.reduce((sum, day) => sum + day.failed, 0);
  const { uptime } = node;
  const { pace } = inner;
  const share = done + failed === 0 ? null : done / (done + failed);
  if (uptime === null && share === null && pace === null) return <></>;
  return (
    <Card id="pace-h" title="How it does" footer={<span>Measured here, over 30 days</span>}>
      <div class="body stack" id="node-pace">
        {uptime !== null && (
          <Score
            label="Uptime"
            value={`${number(uptime * 100, 1)} %`}
            share={uptime}
            says={`Uptime ${number(uptime * 100, 1)} percent`}
            tone={uptime >= 0.95 ? "ok" : uptime >= 0.8 ? "warn" : "bad"}
            note="of the time since it joined"
          />
        )}
        {share !== null && (
          <Score
            label="Completion"
            value={`${number(share * 100, 1)} %`}
            share={share}
            says={`Completion ${number(share * 100, 1)} percent`}
            tone={share >= 0.97 ? "ok" : share >= 0.9 ? "warn" : "bad"}
            note={`${number(done)} of ${number(done + failed)} tries`}
          />
        )}
        {pace !== null && (
          <Score
            label="Speed"
            value={`${number(pace.own)} tok/s`}
            share={pace.own / (2 * pace.peers)}
            says={`Speed ${number(pace.own)} tokens per second; half of the bar is what others do`}
            tone={pace.own >= pace.peers * 0.8 ? "ok" : "warn"}
            note={
              <>
                others do {number(pace.peers)} on <Name of={pace.model} max={40} />
              </>
            }
          />
        )}
      </div>
    </Card>
  );
}

type OwnerProps = { node: NodeShown; inner: NodeInner; csrf: string | null; acts: boolean };

export function OwnerCard({ node, inner, csrf, acts }: OwnerProps): Markup {
  const { owner, row } = inner;
  const admin = node.right === "admin";
  return (
    <Card id="owner-h" title="Place and owner">
      <div class="body stack">
        <Facts>
          <Fact name="Owner">
            {admin && !owner.local ? (
              <a href={`/admin/people?q=${encodeURIComponent(owner.name)}`}>
                <Name of={owner.name} />
              </a>
            ) : owner.local ? (
              "This instance"
            ) : (
              <Name of={owner.name} />
            )}
          </Fact>
          <Fact name="Role">{row.role}</Fact>
          <Fact name="Let in by">{row.admittedBy === null ? NONE : ADMITTED[row.admittedBy]}</Fact>
          <Fact name="First seen">
            <When ms={row.firstSeenMs} />
          </Fact>
          <Fact name="Last seen">
            <Seen node={node} row={row} />
          </Fact>
          {inner.payee !== undefined && (
            <Fact name="Paid to">
              <Payee of={inner.payee} />
            </Fact>
          )}
          {admin && <Fact name="Address">{row.address === null ? NONE : <Name of={row.address} />}</Fact>}
          {!admin && <Fact name="Pool">{row.pool === "" ? "public" : <Name of={row.pool} />}</Fact>}
        </Facts>
        {admin && row.role === "provider" && row.status === "approved" && (
          <PlaceForm node={node} inner={inner} csrf={csrf} />
        )}
        {acts && !owner.local && row.role === "provider" && row.transport !== "worker" && (
          <div class="row">
            <Act
              to={`/nodes/${node.pubkey}/unlink`}
              csrf={csrf}
              look="plain"
              id="unlink"
              ask={{
                title: `Unlink ${plainName(node.name)}?`,
                what: "It works on, and belongs to this instance from then on. What it has earned stays with it.",
                act: "Unlink node",
              }}
            >
              Unlink from {plainName(owner.name, 24)}…
            </Act>
          </div>
        )}
      </div>
    </Card>
  );
}

const Payee = ({ of }: { of: string | null }): Markup =>
  of === null ? (
    <>
      <Status tone="warn">No address</Status> <a href="/my/earnings#where">How to set it</a>
    </>
  ) : (
    <>
      <code>{plainName(`${of.slice(0, 6)}…${of.slice(-4)}`)}</code> <Copy text={of} label="Copy where it is paid" />
    </>
  );

function Seen({ node, row }: { node: NodeShown; row: NodeInner["row"] }): Markup {
  const online = node.inner?.standing !== null;
  const lastMs = Math.max(row.lastSeenMs ?? 0, node.sinceMs ?? 0);
  if (online) return <>now</>;
  return lastMs === 0 ? <>never</> : <Ago ms={lastMs} nowMs={node.nowMs} />;
}

const ADMITTED = {
  token: "a join token",
  approval: "an admin's approval",
  open: "open registration",
  local: "this process",
  allow: "an admin, beforehand",
  key: "an API key",
} as const;

function PlaceForm({ node, inner, csrf }: { node: NodeShown; inner: NodeInner; csrf: string | null }): Markup {
  const to = `/nodes/${node.pubkey}/place`;
  const { pool, maintenance } = inner.row;
  return (
    <form class="fields" method="post" action={to} hx-post={to} hx-swap="none" id="place">
      {csrf !== null && <Csrf token={csrf} />}
      <label>
        Pool: public, backstop, or a private one
        <input
          name="pool"
          value={pool === "" ? "public" : pool}
          required
          maxlength={64}
          pattern="[a-z0-9][a-z0-9_\-]*"
          autocomplete="off"
          spellcheck={false}
        />
      </label>
      <label class="check">
        <input type="checkbox" name="maintenance" value="on" checked={maintenance} />
        Maintenance: no work until you say so
      </label>
      <div class="row">
        <button type="submit">Place node</button>
      </div>
    </form>
  );
}
