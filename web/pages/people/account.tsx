// Account: one's own: how one is called, where one is signed in, for whom one acts.
import { Act } from "../../parts/act.tsx";
import { ActForm } from "../../parts/act-form.tsx";
import { type Fault, Field, FormFault } from "../../parts/field.tsx";
import type { Markup } from "../../parts/markup.ts";
import { Body, Card, Empty, Fact, Facts, Item, List, Notice, Status, Table, Tag, Th } from "../../parts/parts.tsx";
import { Head, Shell, type Viewer } from "../../parts/shell.tsx";
import { ShownOnce } from "../../parts/shown-once.tsx";
import { Ago, Name, shortKey, When } from "../../parts/text.tsx";
import { NewPassword } from "./entrance.tsx";

export type AccountView = {
  viewer: Viewer;
  csrf: string;
  me: { email: string; name: string; roles: readonly string[]; hasPassword: boolean; createdMs: number };
  account: { id: string; name: string; kind: string; role: string };
  nowMs: number;
  accounts: readonly { id: string; kind: string; name: string; role: string }[];
  sessions: readonly { id: string; address: string; userAgent: string; lastSeenMs: number; isThis: boolean }[];
  identities: readonly { issuer: string; subject: string; email: string; label: string }[];
  providers: readonly { name: string; label: string }[];
  nodes: readonly { pubkey: string; name: string }[];
  /** There are more of them than are shown. */
  moreNodes: boolean;
  mail: boolean;
  /** What has just been done, in a sentence. */
  news: string | null;
  /** What this very answer tells, and no other. */
  shown: { code?: { command: string; expiresMs: number }; webhookSecret?: string };
  /** Which form was sent, where something is wrong with it. */
  sent: { form: string; fields: Readonly<Record<string, string>>; fault: Fault } | null;
};

export const Account = (view: AccountView): Markup => (
  <Shell viewer={view.viewer} title="Your account">
    <Head
      title="Your account"
      note={
        <>
          <Name of={view.me.email} max={80} /> · acting for <Name of={accountName(view.account)} /> ({view.account.role}
          )
        </>
      }
    >
      <form method="post" action="/account/sign-out">
        <input type="hidden" name="csrf_token" value={view.csrf} />
        <button type="submit">Sign out</button>
      </form>
    </Head>
    {view.news !== null && (
      <Notice tone="ok" title="Done">
        {view.news}
      </Notice>
    )}
    {view.shown.code && (
      <ShownOnce id="link-command" title="Run this on the node's machine" text={view.shown.code.command}>
        The node is then <Name of={accountName(view.account)} />
        ’s. Good for one node, until <When ms={view.shown.code.expiresMs} />.
      </ShownOnce>
    )}
    {view.shown.webhookSecret !== undefined && (
      <ShownOnce id="webhook-secret" title="Webhook secret" text={view.shown.webhookSecret}>
        Check the signature of every webhook with it. Whoever has it can make calls that look like ours.
      </ShownOnce>
    )}
    <div class="cols">
      <div class="stack">
        <You {...view} />
        <Sessions {...view} />
        <WaysIn {...view} />
      </div>
      <div class="stack">
        <Accounts {...view} />
        <Nodes {...view} />
        <Webhooks {...view} />
      </div>
    </div>
  </Shell>
);

const accountName = ({ kind, name }: { kind: string; name: string }): string =>
  kind === "local" ? "this instance" : name;
const ofForm = ({ sent }: AccountView, form: string) => (sent?.form === form ? sent : null);

function You(view: AccountView): Markup {
  const { me, csrf } = view;
  const sent = ofForm(view, "name");
  return (
    <Card id="you" title="You">
      <Body>
        <ActForm action="/account/name" csrf={csrf} fields>
          <FormFault fault={sent?.fault} title="Not changed" fields={["name"]} />
          <Field
            name="name"
            label="Name"
            value={sent?.fields.name ?? me.name}
            autocomplete="name"
            max={128}
            fault={sent?.fault}
          />
          <div class="row">
            <button type="submit" id="save-name">
              Save the name
            </button>
          </div>
        </ActForm>
        <Facts>
          <Fact name="Email address">
            <Name of={me.email} max={80} />
          </Fact>
          <Fact name="Roles">{me.roles.join(", ")}</Fact>
          <Fact name="Here since">
            <When ms={me.createdMs} />
          </Fact>
        </Facts>
      </Body>
    </Card>
  );
}

const Sessions = ({ sessions, csrf, nowMs }: AccountView): Markup => (
  <Card
    id="sessions"
    title="Signed in at"
    aside={
      sessions.length > 1 && (
        <Act to="/account/sessions/revoke-others" csrf={csrf} id="end-others">
          End all others
        </Act>
      )
    }
  >
    <Table
      name="Where you are signed in"
      head={
        <>
          <Th>Browser</Th>
          <Th>Address</Th>
          <Th>Last seen</Th>
          <Th hide>Act</Th>
        </>
      }
    >
      {sessions.map(({ id, address, userAgent, lastSeenMs, isThis }) => (
        <tr id={id}>
          <td class="whole">
            <Name of={browserName(userAgent)} max={80} />
          </td>
          <td>
            <Name of={address || "–"} />
          </td>
          <td class="end">
            <Ago ms={lastSeenMs} nowMs={nowMs} />
          </td>
          <td class="n end whole">
            {isThis ? (
              <Status tone="ok">This one</Status>
            ) : (
              <Act
                to={`/account/sessions/${encodeURIComponent(id)}/revoke`}
                csrf={csrf}
                look="plain"
                label={`End the session from ${address}`}
              >
                End
              </Act>
            )}
          </td>
        </tr>
      ))}
    </Table>
  </Card>
);

const BROWSERS = [
  ["Edg/", "Edge"],
  ["OPR/", "Opera"],
  ["Firefox/", "Firefox"],
  ["Chrome/", "Chrome"],
  ["Safari/", "Safari"],
] as const;
const SYSTEMS = [
  ["Android", "Android"],
  ["iPhone", "iPhone"],
  ["iPad", "iPad"],
  ["Mac OS X", "macOS"],
  ["Windows", "Windows"],
  ["Linux", "Linux"],
] as const;
/** `Firefox on Linux`, where it says so; else what it says. */
function browserName(userAgent: string): string {
  const browser = BROWSERS.find(([mark]) => userAgent.includes(mark))?.[1];
  const system = SYSTEMS.find(([mark]) => userAgent.includes(mark))?.[1];
  if (browser) return system ? `${browser} on ${system}` : browser;
  return userAgent || "A program";
}

function WaysIn(view: AccountView): Markup {
  const { me, identities, providers, csrf, mail } = view;
  const sent = ofForm(view, "password");
  const linked = new Set(identities.map(({ label }) => label));
  return (
    <Card id="ways" title="Ways to sign in">
      <List>
        {me.hasPassword ? (
          <Item tone="ok">Password</Item>
        ) : (
          <Item tone="off">
            No password.{" "}
            {mail ? (
              <a href="/password/forgot">Have a link mailed to set one</a>
            ) : (
              "An admin can give you a link to set one."
            )}
          </Item>
        )}
        {identities.map(({ issuer, subject, email, label }) => (
          <Item
            tone="ok"
            act={
              <Act
                to="/account/identities/unlink"
                csrf={csrf}
                look="plain"
                fields={{ issuer, subject }}
                label={`Unlink ${label}`}
                ask={{
                  title: `Unlink ${label}?`,
                  what: "You cannot sign in with it any more, until you link it again.",
                  act: "Unlink",
                }}
              >
                Unlink
              </Act>
            }
          >
            <Name of={label} />{" "}
            <span class="note">
              <Name of={email} max={80} />
            </span>
          </Item>
        ))}
      </List>
      <Body>
        {providers
          .filter(({ label }) => !linked.has(label))
          .map(({ name, label }) => (
            <Act to={`/account/identities/${encodeURIComponent(name)}/link`} csrf={csrf}>
              Link {label}
            </Act>
          ))}
        {me.hasPassword && (
          <ActForm action="/account/password" csrf={csrf} fields label="Change the password">
            <FormFault fault={sent?.fault} title="Not changed" fields={["password", "current"]} />
            <input type="text" name="username" value={me.email} autocomplete="username" hidden readonly />
            <Field
              name="current"
              label="Current password"
              type="password"
              autocomplete="current-password"
              max={1024}
              fault={sent?.fault}
            />
            <NewPassword sent={{ fields: {}, fault: sent?.fault ?? null }} />
            <div class="row">
              <button type="submit" id="change-password">
                Change the password
              </button>
              <span class="note">Every other session ends.</span>
            </div>
          </ActForm>
        )}
      </Body>
    </Card>
  );
}

function Accounts(view: AccountView): Markup {
  const { accounts, account, csrf } = view;
  const sent = ofForm(view, "join");
  return (
    <Card
      id="accounts"
      title="You act for"
      aside={
        <a class="button" href="/organisations/new">
          New organisation
        </a>
      }
    >
      <List>
        {accounts.map((one) => (
          <Item
            tone={one.id === account.id ? "ok" : "off"}
            act={
              one.id === account.id ? (
                <Tag>now</Tag>
              ) : (
                <Switch account={one.id} csrf={csrf} name={accountName(one)} next="/account" />
              )
            }
          >
            {one.kind === "user" ? (
              <Name of={one.name} />
            ) : (
              <a href={`/organisations/${encodeURIComponent(one.id)}`}>
                <Name of={accountName(one)} />
              </a>
            )}{" "}
            <span class="note">{one.kind === "user" ? "your own" : one.role}</span>
          </Item>
        ))}
      </List>
      <Body>
        <ActForm action="/account/join" csrf={csrf} fields>
          <FormFault fault={sent?.fault} title="Not joined" fields={["invitation"]} />
          <Field
            name="invitation"
            label="Invitation"
            value={sent?.fields.invitation}
            max={2048}
            placeholder="Paste its link"
            fault={sent?.fault}
          />
          <div class="row">
            <button type="submit" id="join">
              Join
            </button>
          </div>
        </ActForm>
      </Body>
    </Card>
  );
}

/** Has everything from now on done for another account. A whole new page: what one sees depends on it. */
export const Switch = ({
  account,
  csrf,
  name,
  next,
  look = "plain",
}: {
  account: string;
  csrf: string;
  name: string;
  next: string;
  look?: "plain" | "button";
}): Markup => (
  <form method="post" action="/account/switch">
    <input type="hidden" name="csrf_token" value={csrf} />
    <input type="hidden" name="account" value={account} />
    <input type="hidden" name="next" value={next} />
    <button type="submit" class={look} aria-label={`Act for it: ${name}`}>
      Act for it
    </button>
  </form>
);

const Nodes = ({ nodes, moreNodes, csrf }: AccountView): Markup => (
  <Card
    id="nodes"
    title="Nodes"
    {...(moreNodes ? { footer: <a href="/my/nodes">All of them</a> } : {})}
    aside={
      <ActForm action="/account/nodes/code" csrf={csrf}>
        <button type="submit" id="link-node">
          Link a node
        </button>
      </ActForm>
    }
  >
    {nodes.length === 0 ? (
      <Empty icon="node" title="No node is yours">
        A node that runs already becomes yours by one command on its machine.
      </Empty>
    ) : (
      <List>
        {nodes.map(({ pubkey, name }) => (
          <Item tone="ok">
            <a href={`/nodes/${pubkey}`}>
              <Name of={name || shortKey(pubkey)} />
            </a>
          </Item>
        ))}
      </List>
    )}
  </Card>
);

const Webhooks = ({ account, csrf }: AccountView): Markup => (
  <Card id="webhooks" title="Webhooks">
    <Body>
      <p class="note">
        Jobs can call an address of yours when they end. The account’s secret proves that it was this instance.
      </p>
      {account.role === "owner" ? (
        <ActForm action="/account/webhook-secret" csrf={csrf}>
          <button type="submit" id="show-webhook-secret">
            Show the secret
          </button>
        </ActForm>
      ) : (
        <p class="note">An owner of the account can see it.</p>
      )}
    </Body>
  </Card>
);
