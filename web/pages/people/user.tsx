// User, for admins: who it is, what they may do, what is theirs, where they are signed in, and what they did.
import type { AuditView } from "../../../src/admin/money-operations.ts";
import type { KeyRow, Output } from "../../../src/admin/operations.ts";
import { Act } from "../../parts/act.tsx";
import { ActForm } from "../../parts/act-form.tsx";
import { FormFault } from "../../parts/field.tsx";
import type { Markup } from "../../parts/markup.ts";
import { Body, Card, Empty, Fact, Facts, Item, List, Table, Tag, Th } from "../../parts/parts.tsx";
import { Head, Shell, type Viewer } from "../../parts/shell.tsx";
import { ShownOnce } from "../../parts/shown-once.tsx";
import { Ago, Name, NONE, plainName, shortKey, When } from "../../parts/text.tsx";
import type { SentForm } from "./organisation.tsx";
import { KeyState, type MadeLink, RoleBoxes, UserState } from "./people-admin.tsx";

export type UserPage = {
  viewer: Viewer;
  csrf: string;
  nowMs: number;
  user: Output<"showUser">;
  keys: readonly KeyRow[];
  nodes: readonly { pubkey: string; name: string }[];
  /** What they did, and what was done about them. */
  entries: readonly AuditView[];
  link: MadeLink;
  sent: SentForm;
};

const at = ({ user }: UserPage, act: string): string => `/admin/people/users/${encodeURIComponent(user.id)}/${act}`;

export const User = (view: UserPage): Markup => {
  const { viewer, csrf, user, link } = view;
  const email = plainName(user.email, 254);
  return (
    <Shell viewer={viewer} title={email}>
      <Head
        title={<Name of={user.name} max={128} />}
        crumb={{ href: "/admin/people", label: "People" }}
        note={<Name of={user.email} max={254} />}
      >
        <UserState user={user} />
        <ActForm action={at(view, "password-link")} csrf={csrf}>
          <button type="submit" id="password-link">
            Make a password link
          </button>
        </ActForm>
        {user.disabled_ms === null ? (
          <Act
            to={at(view, "disable")}
            csrf={csrf}
            look="danger"
            id="disable"
            ask={{
              title: `Disable ${email}?`,
              what: "They are signed out everywhere and cannot come in again. Their keys and nodes go on.",
              act: "Disable user",
              name: email,
            }}
          >
            Disable…
          </Act>
        ) : (
          <Act to={at(view, "enable")} csrf={csrf} id="enable">
            Enable
          </Act>
        )}
      </Head>
      {link && (
        <ShownOnce id="user-link" title={`Send this link to ${email}`} text={link.text}>
          They set a new password by it; the old one works until then. It works once, until <When ms={link.expiresMs} />
          , and is shown this once.
        </ShownOnce>
      )}
      <div class="cols">
        <div class="stack">
          <Accounts {...view} />
          <Keys {...view} />
          <Sessions {...view} />
          <Entries {...view} />
        </div>
        <div class="stack">
          <Roles {...view} />
          <About {...view} />
          <Nodes {...view} />
        </div>
      </div>
    </Shell>
  );
};

const Accounts = ({ user }: UserPage): Markup => (
  <Card id="accounts" title="Acts for">
    <List>
      {user.accounts.map(({ id, kind, name, role }) => (
        <Item tone="ok" act={<Tag>{kind === "user" ? "own" : role}</Tag>}>
          {kind === "user" ? (
            <Name of={name} />
          ) : (
            <a href={`/organisations/${encodeURIComponent(id)}`}>
              <Name of={kind === "local" ? "This instance" : name} />
            </a>
          )}{" "}
          <code class="note">{id}</code>
        </Item>
      ))}
    </List>
  </Card>
);

const Keys = ({ keys, nowMs }: UserPage): Markup => (
  <Card id="keys" title="Keys" aside={<a href="/admin/people/keys">Everybody’s</a>}>
    {keys.length === 0 ? (
      <Empty icon="keyicon" title="No keys">
        Keys of their own account show up here.
      </Empty>
    ) : (
      <Table
        name="Keys of their account"
        head={
          <>
            <Th>Key</Th>
            <Th>State</Th>
            <Th>Used</Th>
          </>
        }
      >
        {keys.map((key) => (
          <tr id={key.id}>
            <td>
              <Name of={key.name} />
              <br />
              <code class="note">{key.prefix}…</code>
            </td>
            <td class="end">
              <KeyState of={key} nowMs={nowMs} />
            </td>
            <td>{key.last_used_ms === null ? NONE : <Ago ms={key.last_used_ms} nowMs={nowMs} />}</td>
          </tr>
        ))}
      </Table>
    )}
  </Card>
);

const Sessions = (view: UserPage): Markup => {
  const { user, csrf, nowMs } = view;
  return (
    <Card
      id="sessions"
      title="Signed in at"
      aside={
        user.sessions.length > 0 && (
          <Act to={at(view, "sign-out")} csrf={csrf} id="end-all">
            End all
          </Act>
        )
      }
    >
      {user.sessions.length === 0 ? (
        <Empty icon="off" title="Signed in nowhere">
          Where they sign in shows up here.
        </Empty>
      ) : (
        <Table
          name="Where they are signed in"
          head={
            <>
              <Th>Browser</Th>
              <Th>Address</Th>
              <Th>Last seen</Th>
              <Th hide>Act</Th>
            </>
          }
        >
          {user.sessions.map(({ id, address, user_agent, last_seen_ms }) => (
            <tr id={id}>
              <td class="whole">
                <Name of={user_agent || "A program"} max={80} />
              </td>
              <td>
                <Name of={address || NONE} />
              </td>
              <td class="end">
                <Ago ms={last_seen_ms} nowMs={nowMs} />
              </td>
              <td class="n end whole">
                <Act
                  to={at(view, "sign-out")}
                  csrf={csrf}
                  look="plain"
                  fields={{ session: id }}
                  label={`End the session from ${address}`}
                >
                  End
                </Act>
              </td>
            </tr>
          ))}
        </Table>
      )}
    </Card>
  );
};

const Entries = ({ entries, user }: UserPage): Markup => (
  <Card
    id="entries"
    title="In the audit log"
    aside={<a href={`/admin/audit?actor=${encodeURIComponent(`user/${user.id}`)}`}>All they did</a>}
  >
    {entries.length === 0 ? (
      <Empty icon="log" title="Nothing yet">
        What they do, and what is done about them, shows up here.
      </Empty>
    ) : (
      <Table
        name="Entries"
        head={
          <>
            <Th>When</Th>
            <Th>What</Th>
            <Th>To</Th>
          </>
        }
      >
        {entries.map(({ seq, at_ms, action, subject, actor }) => (
          <tr id={`entry-${seq}`}>
            <td>
              <When ms={at_ms} />
            </td>
            <td class="end">
              <code>{action}</code>
            </td>
            <td class="whole">
              <Name of={subject} max={48} />
              {actor !== `user/${user.id}` && (
                <small>
                  {" by "}
                  <Name of={actor} max={48} />
                </small>
              )}
            </td>
          </tr>
        ))}
      </Table>
    )}
  </Card>
);

const Roles = (view: UserPage): Markup => (
  <Card id="roles" title="Roles">
    <Body>
      <ActForm action={at(view, "roles")} csrf={view.csrf} fields>
        <FormFault fault={view.sent?.fault} title="Not changed" />
        <RoleBoxes chosen={view.sent?.fields.roles?.split(",") ?? view.user.roles} titled />
        <div class="row">
          <button type="submit" id="save-roles">
            Save the roles
          </button>
        </div>
        <p class="note">They are signed out, and sign in to what they may do then.</p>
      </ActForm>
    </Body>
  </Card>
);

const About = ({ user }: UserPage): Markup => (
  <Card id="about" title="About">
    <Body>
      <Facts>
        <Fact name="Id">
          <code>{user.id}</code>
        </Fact>
        <Fact name="Own account">
          <code>{user.account}</code>
        </Fact>
        <Fact name="Password">{user.has_password ? "Set" : "None"}</Fact>
        <Fact name="Here since">
          <When ms={user.created_ms} />
        </Fact>
        <Fact name="Signed in last">{user.last_login_ms === null ? "Never" : <When ms={user.last_login_ms} />}</Fact>
        {user.disabled_ms !== null && (
          <Fact name="Disabled">
            <When ms={user.disabled_ms} />
          </Fact>
        )}
      </Facts>
    </Body>
  </Card>
);

const Nodes = ({ nodes }: UserPage): Markup => (
  <Card id="nodes" title="Nodes">
    {nodes.length === 0 ? (
      <Empty icon="node" title="No nodes">
        Nodes that are linked with their account show up here.
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
