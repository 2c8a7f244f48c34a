// Join tokens: each lets one machine in, once. A token is shown when it is made and never again.
import type { JoinTokenRow } from "../../../src/admin/operations.ts";
import { Act } from "../../parts/act.tsx";
import { Code } from "../../parts/code.tsx";
import { NodeLink } from "../../parts/job-state.tsx";
import type { Markup } from "../../parts/markup.ts";
import { Body, Card, Csrf, Empty, Notice, Pager, Select, Status, Table, Th, type Tone } from "../../parts/parts.tsx";
import { Head, Shell, type Viewer } from "../../parts/shell.tsx";
import { Ago, Name, NONE, plainName, shortId, When } from "../../parts/text.tsx";
import { NodeTabs } from "./tabs.tsx";

export type MadeToken = { id: string; token: string; url: string; role: JoinTokenRow["role"]; expiresMs: number };
export type TokenLine = JoinTokenRow & { node: { pubkey: string; name: string | null } | null };
export type TokensProps = {
  viewer: Viewer;
  path: string;
  /** Every token there is. */
  all: boolean;
  /** Whose nodes they let in. */
  account: string;
  mayMake: boolean;
  made: MadeToken | null;
  /** What was wrong with the form, and what it said. */
  fault: string | null;
  fields: Readonly<Record<string, string>>;
  rows: readonly TokenLine[];
  newer: string | null;
  older: string | null;
  nowMs: number;
};

export function JoinTokens(props: TokensProps): Markup {
  const { viewer, all, account, made, mayMake } = props;
  return (
    <Shell viewer={viewer} title="Join tokens">
      {all ? (
        <Head title="Nodes" />
      ) : (
        <Head
          title="Join tokens"
          note={
            <>
              Each lets one machine in, once. Owner from then on: <Name of={account} max={40} />
            </>
          }
        />
      )}
      {all && <NodeTabs here="tokens" />}
      {made && <Made made={made} />}
      <div class="cols">
        <Tokens {...props} />
        <div class="stack">
          {mayMake ? (
            <NewToken {...props} />
          ) : (
            <Notice tone="off" title="You look on">
              Making join tokens takes an owner of the account with the role operator, which an admin gives.
            </Notice>
          )}
        </div>
      </div>
    </Shell>
  );
}

const Made = ({ made: { token, url, role, expiresMs } }: { made: MadeToken }): Markup => (
  <Card id="made" title="Your new join token">
    <Body>
      <Notice tone="warn" title="Copy it now">
        It is shown this once. It lets one {role} in, and is good until <When ms={expiresMs} />.
      </Notice>
      {role === "provider" && (
        <>
          <p>On the machine that is to be the node:</p>
          <Code
            id="made-command"
            name="Commands that join"
            text={`infernet setup --join ${token}\ninfernet start`}
            wraps
          />
        </>
      )}
      <p>
        {role === "provider"
          ? "The token alone, for a config.toml or a script:"
          : "In the other instance's config.toml:"}
      </p>
      <Code id="made-token" name="Join token" text={token} wraps />
      <p class="note">
        It dials <span class="key">{url}</span>, which has to be reachable from there.
      </p>
    </Body>
  </Card>
);

const EXPIRES = [
  ["3600", "1 hour"],
  ["86400", "1 day"],
  ["604800", "7 days"],
  ["2592000", "30 days"],
] as const;
const ROLES = [
  ["provider", "provider: a node"],
  ["client", "client: submits jobs"],
  ["aggregator", "aggregator: a peer"],
] as const;

const NewToken = ({ viewer, path, all, fault, fields }: TokensProps): Markup => (
  <Card id="new-token" title="New join token">
    <Body>
      <form
        class="fields"
        method="post"
        action={path}
        hx-post={path}
        hx-target="#main"
        hx-select="#main"
        hx-swap="outerHTML show:top"
      >
        <Csrf token={viewer.human?.csrf ?? ""} />
        {fault !== null && (
          <div role="alert">
            <Notice tone="bad" title="No token was made">
              {fault}
            </Notice>
          </div>
        )}
        <label>
          Note, for you
          <input name="name" value={fields.name ?? ""} maxlength={128} placeholder="rack 3" autocomplete="off" />
        </label>
        {all && <Select name="role" label="Lets in a" value={fields.role ?? "provider"} options={ROLES} />}
        <Select name="expires" label="Good for" value={fields.expires ?? "86400"} options={EXPIRES} />
        <button type="submit" class="act" id="make-token">
          Make join token
        </button>
      </form>
    </Body>
  </Card>
);

const STATES: Readonly<Record<JoinTokenRow["state"], readonly [Tone, string]>> = {
  open: ["wait", "Open"],
  used: ["ok", "Used"],
  expired: ["off", "Expired"],
  revoked: ["off", "Revoked"],
};

const Tokens = (props: TokensProps): Markup => (
  <Card
    id="tokens"
    title="Join tokens"
    {...(props.newer === null && props.older === null
      ? {}
      : { footer: <Pager list="tokens-card" newer={props.newer} older={props.older} /> })}
  >
    {props.rows.length === 0 ? (
      <Empty icon="keyicon" title="No join tokens yet">
        A token goes to one new machine, by hand. {props.mayMake && "Make one, and paste the command there."}
      </Empty>
    ) : (
      <Table
        name="List of join tokens"
        head={
          <>
            <Th>Token</Th>
            <Th>State</Th>
            {props.all && <Th>Lets in</Th>}
            <Th>Node</Th>
            <Th n>Made</Th>
            <Th n>Ends</Th>
            <Th hide>Actions</Th>
          </>
        }
      >
        {props.rows.map((row) => (
          <Line row={row} {...props} />
        ))}
      </Table>
    )}
  </Card>
);

function Line({ row, all, path, mayMake, nowMs, viewer }: TokensProps & { row: TokenLine }): Markup {
  const [tone, word] = STATES[row.state];
  const shown = row.name === null ? shortId(row.id) : plainName(row.name, 40);
  return (
    <tr>
      <td>
        {row.name === null ? <span class="key">{row.id.slice(0, 13)}</span> : <Name of={row.name} max={40} />}
        {row.name !== null && (
          <p class="note">
            <span class="key">{row.id.slice(0, 13)}</span>
          </p>
        )}
      </td>
      <td class="end">
        <Status tone={tone}>{word}</Status>
      </td>
      {all && <td data-label="lets in">{row.role}</td>}
      <td class={all ? "end" : "whole"}>
        {row.node === null ? NONE : <NodeLink pubkey={row.node.pubkey} name={row.node.name ?? ""} />}
      </td>
      <td class="n" data-label="made">
        <Ago ms={row.created_ms} nowMs={nowMs} />
      </td>
      <td class="n end" data-label="ends">
        <When ms={row.expires_ms} />
      </td>
      <td class="n whole end">
        {row.state === "open" && mayMake && (
          <Act
            to={`${path}/${encodeURIComponent(row.id)}/revoke`}
            csrf={viewer.human?.csrf ?? ""}
            look="plain"
            label={`Revoke ${shown}`}
            ask={{
              title: "Revoke this join token?",
              what: `${shown} lets nobody in from then on.`,
              act: "Revoke token",
            }}
          >
            Revoke…
          </Act>
        )}
      </td>
    </tr>
  );
}
