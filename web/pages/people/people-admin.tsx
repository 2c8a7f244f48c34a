// People, for admins: users, invitations, organisations and everybody's keys.
import type { Child } from "hono/jsx";
import type { AccountName } from "../../../src/accounts/account-names.ts";
import type { KeyRow } from "../../../src/admin/operations.ts";
import type { InvitationView, OrganisationView, UserView } from "../../../src/admin/user-operations.ts";
import { AccountOf } from "../../parts/account-of.tsx";
import { Act } from "../../parts/act.tsx";
import { ActForm } from "../../parts/act-form.tsx";
import { Field, FormFault } from "../../parts/field.tsx";
import type { Markup } from "../../parts/markup.ts";
import {
  Body,
  Card,
  Empty,
  Filters,
  Pager,
  Search,
  Segments,
  Select,
  Status,
  Table,
  Tag,
  Th,
} from "../../parts/parts.tsx";
import { Head, Shell, type Viewer } from "../../parts/shell.tsx";
import { ShownOnce } from "../../parts/shown-once.tsx";
import { Ago, Name, NONE, number, plainName, When } from "../../parts/text.tsx";
import { INVITATION_TONES, LIFETIMES, type SentForm } from "./organisation.tsx";

export type Pages = { newer: string | null; older: string | null };
/** A link that was made just now. */
export type MadeLink = { text: string; expiresMs: number; email: string | null } | null;
export type Around = { viewer: Viewer; csrf: string; nowMs: number; pages: Pages; sent: SentForm };

const TABS = [
  ["/admin/people", "Users"],
  ["/admin/people/invitations", "Invitations"],
  ["/admin/people/organisations", "Organisations"],
  ["/admin/people/keys", "Keys"],
] as const;
type Tab = (typeof TABS)[number][1];

const People = ({ viewer, tab, children }: { viewer: Viewer; tab: Tab; children?: Child }): Markup => (
  <Shell viewer={viewer} title={tab === "Users" ? "People" : `People: ${tab.toLowerCase()}`}>
    <Head title="People">
      <Segments name="People" all={TABS.map(([href, label]) => ({ href, label, here: label === tab }))} />
    </Head>
    {children}
  </Shell>
);

const ROLES = [
  ["client", "Client", "asks for inference"],
  ["operator", "Operator", "runs nodes"],
  ["admin", "Admin", "governs this instance"],
] as const;
/** `chosen`: ticked at first. `titled`: the card around says what they are. */
export const RoleBoxes = ({ chosen, titled = false }: { chosen: readonly string[]; titled?: boolean }): Markup => (
  <fieldset>
    <legend class={titled ? "hidden" : undefined}>Roles</legend>
    {ROLES.map(([role, label, about]) => (
      <label class="check">
        <input type="checkbox" name="role" value={role} checked={chosen.includes(role)} />
        <span>
          {label} <small>{about}</small>
        </span>
      </label>
    ))}
  </fieldset>
);

export const UserState = ({ user }: { user: Pick<UserView, "disabled_ms" | "last_login_ms"> }): Markup =>
  user.disabled_ms !== null ? (
    <Status tone="bad">Disabled</Status>
  ) : user.last_login_ms === null ? (
    <Status tone="wait">Never here</Status>
  ) : (
    <Status tone="ok">Active</Status>
  );

type UsersView = Around & { users: readonly UserView[]; search: string; link: MadeLink; full: boolean };

export const Users = (view: UsersView): Markup => {
  const { viewer, csrf, users, search, link, sent, nowMs, pages, full } = view;
  return (
    <People viewer={viewer} tab="Users">
      {link && (
        <ShownOnce id="user-link" title={`Send this link to ${plainName(link.email ?? "them", 80)}`} text={link.text}>
          They set a password by it. It works once, until <When ms={link.expiresMs} />, and is shown this once.
        </ShownOnce>
      )}
      <div class="cols">
        <div class="stack">
          <Filters list="users-card" action="/admin/people">
            <Search label="Address or name begins with" value={search} placeholder="ada" />
          </Filters>
          <Card
            id="users"
            title="Users"
            footer={
              search === "" ? (
                <Pager list="users-card" newer={pages.newer} older={pages.older} />
              ) : (
                <span>
                  {full ? "The first that fit are shown: write more of the name." : "All that fit are shown."}
                </span>
              )
            }
          >
            {users.length === 0 ? (
              <Empty icon="people" title="Nobody’s name begins like that">
                Addresses and names are found by how they begin.
              </Empty>
            ) : (
              <Table
                name="Everybody"
                head={
                  <>
                    <Th>Who</Th>
                    <Th>Roles</Th>
                    <Th>State</Th>
                    <Th>Signed in</Th>
                  </>
                }
              >
                {users.map((user) => (
                  <tr id={user.id}>
                    <td>
                      <a href={`/admin/people/users/${encodeURIComponent(user.id)}`}>
                        <Name of={user.email} max={80} />
                      </a>
                      <br />
                      <small>
                        <Name of={user.name} />
                      </small>
                    </td>
                    <td class="end">
                      {user.roles.map((role) => (
                        <>
                          <Tag>{role}</Tag>{" "}
                        </>
                      ))}
                    </td>
                    <td>
                      <UserState user={user} />
                    </td>
                    <td class="end">
                      {user.last_login_ms === null ? NONE : <Ago ms={user.last_login_ms} nowMs={nowMs} />}
                    </td>
                  </tr>
                ))}
              </Table>
            )}
          </Card>
        </div>
        <div class="stack">
          <CreateUser csrf={csrf} sent={sent} />
        </div>
      </div>
    </People>
  );
};

const CreateUser = ({ csrf, sent }: { csrf: string; sent: SentForm }): Markup => (
  <Card id="create" title="Create a user">
    <Body>
      <ActForm action="/admin/people" csrf={csrf} fields>
        <FormFault fault={sent?.fault} title="Not created" fields={["email", "name"]} />
        <Field
          name="email"
          label="Email address"
          type="email"
          value={sent?.fields.email}
          max={254}
          fault={sent?.fault}
        />
        <Field
          name="name"
          label="Name"
          value={sent?.fields.name}
          max={128}
          required={false}
          hint="Empty: the address."
          fault={sent?.fault}
        />
        <RoleBoxes chosen={sent?.fields.roles?.split(",") ?? ["client"]} />
        <div class="row">
          <button type="submit" class="act" id="create-user">
            Create the user
          </button>
        </div>
        <p class="note">You get a link for them to set a password with.</p>
      </ActForm>
    </Body>
  </Card>
);

type InvitationsView = Around & {
  invitations: readonly InvitationView[];
  organisations: ReadonlyMap<string, AccountName>;
  link: MadeLink;
};

export const Invitations = (view: InvitationsView): Markup => {
  const { viewer, csrf, invitations, link, sent, pages } = view;
  return (
    <People viewer={viewer} tab="Invitations">
      {link && (
        <ShownOnce id="invitation-link" title="Send this link" text={link.text}>
          {link.email === null ? "Whoever opens it" : <Name of={link.email} max={80} />} signs up by it. It works once,
          until <When ms={link.expiresMs} />, and is shown this once.
        </ShownOnce>
      )}
      <div class="cols">
        <div class="stack">
          <Card
            id="invitations"
            title="Invitations"
            footer={<Pager list="invitations-card" newer={pages.newer} older={pages.older} />}
          >
            {invitations.length === 0 ? (
              <Empty icon="people" title="Nobody is invited">
                An invitation is a link by which one person signs up, once, with the roles that you give.
              </Empty>
            ) : (
              <Table
                name="Who is invited"
                head={
                  <>
                    <Th>For</Th>
                    <Th>Brings</Th>
                    <Th>State</Th>
                    <Th>Until</Th>
                    <Th hide>Act</Th>
                  </>
                }
              >
                {invitations.map((invitation) => (
                  <InvitationItem {...view} invitation={invitation} />
                ))}
              </Table>
            )}
          </Card>
        </div>
        <div class="stack">
          <InviteForm csrf={csrf} sent={sent} />
        </div>
      </div>
    </People>
  );
};

const InvitationItem = ({
  csrf,
  organisations,
  invitation: { id, email, roles, organisation, state, expires_ms, used_by },
}: InvitationsView & { invitation: InvitationView }): Markup => (
  <tr id={id}>
    <td>{email === null ? "Whoever has the link" : <Name of={email} max={80} />}</td>
    <td class="end">
      {roles?.map((role) => (
        <>
          <Tag>{role}</Tag>{" "}
        </>
      ))}
      {organisation !== null && <AccountOf id={organisation} account={organisations.get(organisation)} />}
    </td>
    <td>
      <Status tone={INVITATION_TONES[state]}>{state}</Status>
      {used_by !== null && (
        <>
          {" · "}
          <a href={`/admin/people/users/${encodeURIComponent(used_by)}`}>by whom</a>
        </>
      )}
    </td>
    <td class="end">
      <When ms={expires_ms} />
    </td>
    <td class="n whole">
      {state === "open" && (
        <Act
          to={`/admin/people/invitations/${encodeURIComponent(id)}/revoke`}
          csrf={csrf}
          look="plain"
          label={`Revoke the invitation ${email === null ? "" : `for ${email}`}`}
        >
          Revoke
        </Act>
      )}
    </td>
  </tr>
);

const InviteForm = ({ csrf, sent }: { csrf: string; sent: SentForm }): Markup => (
  <Card id="invite" title="Invite somebody">
    <Body>
      <ActForm action="/admin/people/invitations" csrf={csrf} fields>
        <FormFault fault={sent?.fault} title="No invitation made" fields={["email", "organisation"]} />
        <Field
          name="email"
          label="Email address"
          type="email"
          value={sent?.fields.email}
          max={254}
          required={false}
          hint="Only whoever has this address can use it. Empty: whoever has the link."
          fault={sent?.fault}
        />
        <RoleBoxes chosen={sent?.fields.roles?.split(",") ?? ["client"]} />
        <Field
          name="organisation"
          label="Organisation"
          value={sent?.fields.organisation}
          max={128}
          required={false}
          placeholder="org_…"
          hint="Its id, where they are to join one."
          fault={sent?.fault}
        />
        <Select
          name="expires_in_s"
          label="Good for"
          value={sent?.fields.expires_in_s ?? "604800"}
          options={LIFETIMES}
        />
        <div class="row">
          <button type="submit" class="act" id="make-invitation">
            Make a link
          </button>
        </div>
      </ActForm>
    </Body>
  </Card>
);

export const Organisations = ({
  viewer,
  organisations,
  nowMs,
  pages,
}: Around & { organisations: readonly OrganisationView[] }): Markup => (
  <People viewer={viewer} tab="Organisations">
    <Card
      id="organisations"
      title="Organisations"
      aside={
        <a class="button" href="/organisations/new">
          New organisation
        </a>
      }
      footer={<Pager list="organisations-card" newer={pages.newer} older={pages.older} />}
    >
      {organisations.length === 0 ? (
        <Empty icon="people" title="There are no organisations">
          An organisation is an account that several people act for. Everybody can make one.
        </Empty>
      ) : (
        <Table
          name="All organisations"
          head={
            <>
              <Th>Name</Th>
              <Th n>Members</Th>
              <Th>Since</Th>
            </>
          }
        >
          {organisations.map(({ id, name, members, created_ms }) => (
            <tr id={id}>
              <td>
                <a href={`/organisations/${encodeURIComponent(id)}`}>
                  <Name of={name} />
                </a>
              </td>
              <td class="n end">{number(members)}</td>
              <td>
                <Ago ms={created_ms} nowMs={nowMs} />
              </td>
            </tr>
          ))}
        </Table>
      )}
    </Card>
  </People>
);

type KeysView = Around & {
  keys: readonly KeyRow[];
  accounts: ReadonlyMap<string, AccountName>;
  made: { key: string; name: string } | null;
};

export const Keys = (view: KeysView): Markup => {
  const { viewer, csrf, keys, pages, made, sent } = view;
  return (
    <People viewer={viewer} tab="Keys">
      {made && (
        <ShownOnce id="new-key" title={`Key ${plainName(made.name)}`} text={made.key}>
          Hand it over on a safe way: it is shown this once.
        </ShownOnce>
      )}
      <div class="cols">
        <div class="stack">
          <Card
            id="keys"
            title="Everybody’s keys"
            footer={<Pager list="keys-card" newer={pages.newer} older={pages.older} />}
          >
            {keys.length === 0 ? (
              <Empty icon="keyicon" title="There are no keys">
                A key lets a program call the network in the name of an account.
              </Empty>
            ) : (
              <KeyTable {...view} />
            )}
          </Card>
        </div>
        <div class="stack">
          <CreateKey csrf={csrf} sent={sent} />
        </div>
      </div>
    </People>
  );
};

const KeyTable = ({ keys, accounts, csrf, nowMs }: KeysView): Markup => (
  <Table
    name="Keys of all accounts"
    head={
      <>
        <Th>Key</Th>
        <Th>Account</Th>
        <Th>State</Th>
        <Th>Used</Th>
        <Th hide>Act</Th>
      </>
    }
  >
    {keys.map((key) => (
      <tr id={key.id}>
        <td>
          <b>
            <Name of={key.name} />
          </b>
          <br />
          <small>
            <code>{key.prefix}…</code>
            {key.pools.length > 0 && ` · pools ${key.pools.join(", ")}`}
          </small>
        </td>
        <td class="end">
          <AccountOf id={key.account} account={accounts.get(key.account)} />
        </td>
        <td>
          <KeyState of={key} nowMs={nowMs} />
        </td>
        <td class="end">{key.last_used_ms === null ? NONE : <Ago ms={key.last_used_ms} nowMs={nowMs} />}</td>
        <td class="n whole">{isGood(key, nowMs) && <RevokeKey of={key} csrf={csrf} />}</td>
      </tr>
    ))}
  </Table>
);

const isGood = ({ revoked_ms, expires_ms }: KeyRow, nowMs: number): boolean =>
  revoked_ms === null && (expires_ms === null || expires_ms > nowMs);

export const KeyState = ({ of, nowMs }: { of: KeyRow; nowMs: number }): Markup =>
  isGood(of, nowMs) ? (
    <Status tone="ok">{of.role === "operator" ? "For workers" : "In force"}</Status>
  ) : (
    <Status tone="off">{of.revoked_ms === null ? "Ended" : "Revoked"}</Status>
  );

const RevokeKey = ({ of: { id, name }, csrf }: { of: KeyRow; csrf: string }): Markup => (
  <Act
    to={`/admin/people/keys/${encodeURIComponent(id)}/revoke`}
    csrf={csrf}
    look="plain"
    label={`Revoke ${plainName(name)}`}
    ask={{
      title: `Revoke ${plainName(name)}?`,
      what: "Programs that use it are refused at once. A key cannot be brought back.",
      act: "Revoke key",
      name: plainName(name),
    }}
  >
    Revoke…
  </Act>
);

const LIVES = [
  ["", "Never"],
  ["7d", "In a week"],
  ["30d", "In 30 days"],
  ["90d", "In 90 days"],
  ["1y", "In a year"],
] as const;

const LIMITS = [
  ["requests_per_minute", "Requests a minute"],
  ["tokens_per_minute", "Tokens a minute"],
  ["spend_day", "Spending a day, $"],
  ["spend_total", "Spending in all, $"],
] as const;

function CreateKey({ csrf, sent }: { csrf: string; sent: SentForm }): Markup {
  const fault = sent?.fault;
  const text = (name: string, label: string, more: { hint?: string; placeholder?: string } = {}) => (
    <Field name={name} label={label} value={sent?.fields[name]} required={false} fault={fault} {...more} />
  );
  return (
    <Card id="create" title="Create a key">
      <Body>
        <ActForm action="/admin/people/keys" csrf={csrf} fields>
          <FormFault
            fault={fault}
            title="Not created"
            fields={["name", "account", "models", "pools", ...LIMITS.map(([name]) => name)]}
          />
          <Field name="name" label="Name" value={sent?.fields.name} max={128} fault={fault} />
          {text("account", "Account", {
            hint: "A user’s address, or an organisation’s id. Empty: this instance’s own.",
            placeholder: "ada@example.org",
          })}
          {text("pools", "Private pools", { hint: "Nodes of these pools serve it too. Commas between them." })}
          {text("models", "Models", { hint: "Empty: all. A * at the end stands for whatever follows." })}
          {LIMITS.map(([name, label]) => text(name, label))}
          <Select name="expires" label="Ends" value={sent?.fields.expires ?? ""} options={LIVES} />
          <div class="row">
            <button type="submit" class="act" id="create-key">
              Create the key
            </button>
          </div>
        </ActForm>
      </Body>
    </Card>
  );
}
