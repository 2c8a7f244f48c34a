// Organisation: an account that several people act for: who is in it, and who may come.
import type { InvitationView, MemberView } from "../../../src/admin/user-operations.ts";
import { Act } from "../../parts/act.tsx";
import { ActForm } from "../../parts/act-form.tsx";
import { type Fault, Field, FormFault } from "../../parts/field.tsx";
import type { Markup } from "../../parts/markup.ts";
import { Body, Card, Empty, Fact, Facts, Select, Status, Table, Tag, Th, type Tone } from "../../parts/parts.tsx";
import { Head, Shell, type Viewer } from "../../parts/shell.tsx";
import { ShownOnce } from "../../parts/shown-once.tsx";
import { Ago, Name, plainName, plural, When } from "../../parts/text.tsx";
import { Switch } from "./account.tsx";

export type SentForm = { form: string; fields: Readonly<Record<string, string>>; fault: Fault } | null;

export type OrganisationView = {
  viewer: Viewer;
  csrf: string;
  /** Who looks. */
  me: { id: string; acting: boolean; admin: boolean };
  id: string;
  /** `local`: what was here before there were people; it has no name to change. */
  kind: string;
  name: string;
  createdMs: number;
  nowMs: number;
  /** What whoever looks is in it; null for an admin who is not in it. */
  role: "owner" | "member" | null;
  /** The first of them. */
  members: readonly MemberView[];
  count: number;
  /** None where whoever looks may not see them. */
  invitations: readonly InvitationView[] | null;
  /** A link that was made just now. */
  link: { text: string; expiresMs: number } | null;
  sent: SentForm;
};

export const NewOrganisation = ({ viewer, csrf, sent }: Pick<OrganisationView, "viewer" | "csrf" | "sent">): Markup => (
  <Shell viewer={viewer} title="New organisation">
    <div class="narrow stack">
      <Head
        title="New organisation"
        crumb={{ href: "/account", label: "Your account" }}
        note="An account that several people act for: its keys, jobs, nodes and money are all of theirs."
      />
      <section class="card" aria-label="New organisation">
        <Body>
          <ActForm action="/organisations/new" csrf={csrf} fields>
            <FormFault fault={sent?.fault} title="Not made" fields={["name"]} />
            <Field name="name" label="Name" value={sent?.fields.name} max={128} fault={sent?.fault} first />
            <div class="row">
              <button type="submit" class="act">
                Create the organisation
              </button>
            </div>
          </ActForm>
        </Body>
      </section>
    </div>
  </Shell>
);

const mayChange = ({ role, me }: OrganisationView): boolean => role === "owner" || me.admin;
const at = ({ id }: OrganisationView, act = ""): string => `/organisations/${encodeURIComponent(id)}${act}`;

export const Organisation = (view: OrganisationView): Markup => (
  <Shell viewer={view.viewer} title={plainName(view.name)}>
    <Head
      title={<Name of={view.name} max={128} />}
      crumb={
        view.me.admin
          ? { href: "/admin/people/organisations", label: "People" }
          : { href: "/account", label: "Your account" }
      }
      note={
        view.role === null
          ? "You are not in it: you see it as an admin."
          : `You are ${view.role === "owner" ? "an owner" : "a member"}.`
      }
    >
      {view.me.acting && <Status tone="ok">You act for it now</Status>}
      {!view.me.acting && view.role !== null && (
        <Switch account={view.id} csrf={view.csrf} name={view.name} next="/account" look="button" />
      )}
      {view.role !== null && view.kind === "organisation" && (
        <Act
          to={at(view, "/leave")}
          csrf={view.csrf}
          look="danger"
          id="leave"
          ask={{
            title: `Leave ${plainName(view.name)}?`,
            what: "You act for it no more. Only an owner can bring you in again.",
            act: "Leave",
            name: plainName(view.name),
          }}
        >
          Leave…
        </Act>
      )}
    </Head>
    {view.link && (
      <ShownOnce id="invitation-link" title="Send this link" text={view.link.text}>
        Whoever opens it joins. It works once, until <When ms={view.link.expiresMs} />, and is shown this once.
      </ShownOnce>
    )}
    <div class="cols">
      <div class="stack">
        <Members {...view} />
        {view.invitations !== null && <Invitations {...view} invitations={view.invitations} />}
      </div>
      <div class="stack">
        {mayChange(view) && <Invite {...view} />}
        <About {...view} />
      </div>
    </div>
  </Shell>
);

const Members = (view: OrganisationView): Markup => (
  <Card
    id="members"
    title="Members"
    aside={<span class="note">{plural(view.count, "person", "people")}</span>}
    {...(view.count > view.members.length
      ? { footer: `The first ${view.members.length} are shown; infernet organisations members lists all of them.` }
      : {})}
  >
    <Table
      name="Everybody in it"
      head={
        <>
          <Th>Who</Th>
          <Th>Role</Th>
          <Th>Since</Th>
          <Th hide>Act</Th>
        </>
      }
    >
      {view.members.map((member) => (
        <Member view={view} member={member} />
      ))}
    </Table>
  </Card>
);

function Member({ view, member }: { view: OrganisationView; member: MemberView }): Markup {
  const { csrf } = view;
  const { user, email, name, role } = member;
  const other = role === "owner" ? "member" : "owner";
  return (
    <tr id={user}>
      <td class="whole">
        {view.me.admin ? (
          <a href={`/admin/people/users/${encodeURIComponent(user)}`}>
            <Name of={name} />
          </a>
        ) : (
          <b>
            <Name of={name} />
          </b>
        )}{" "}
        {user === view.me.id && <Tag>you</Tag>}
        <br />
        <small>
          <Name of={email} max={80} />
        </small>
      </td>
      <td>{role}</td>
      <td class="end">
        <Ago ms={member.created_ms} nowMs={view.nowMs} />
      </td>
      <td class="n whole">
        {mayChange(view) && (
          <div class="row ends">
            <Act
              to={at(view, "/members")}
              csrf={csrf}
              look="plain"
              fields={{ user, role: other }}
              label={`Make ${other}: ${email}`}
            >
              {other === "owner" ? "Make owner" : "Make member"}
            </Act>
            {user !== view.me.id && (
              <Act
                to={at(view, "/members/remove")}
                csrf={csrf}
                look="plain"
                fields={{ user }}
                label={`Remove ${email}`}
                ask={{
                  title: `Remove ${plainName(name)}?`,
                  what: "They act for the organisation no more. Its keys stay: revoke those that they know.",
                  act: "Remove",
                  name: plainName(email, 254),
                }}
              >
                Remove…
              </Act>
            )}
          </div>
        )}
      </td>
    </tr>
  );
}

export const INVITATION_TONES: Readonly<Record<InvitationView["state"], Tone>> = {
  open: "wait",
  used: "ok",
  expired: "off",
  revoked: "off",
};

const Invitations = (view: OrganisationView & { invitations: readonly InvitationView[] }): Markup => (
  <Card id="invitations" title="Invitations">
    {view.invitations.length === 0 ? (
      <Empty icon="people" title="Nobody is invited">
        An invitation is a link that lets one person join, once.
      </Empty>
    ) : (
      <Table
        name="Who is invited"
        head={
          <>
            <Th>For</Th>
            <Th>State</Th>
            <Th>Until</Th>
            <Th hide>Act</Th>
          </>
        }
      >
        {view.invitations.map(({ id, email, state, expires_ms }) => (
          <tr id={id}>
            <td>{email === null ? "Whoever has the link" : <Name of={email} max={80} />}</td>
            <td class="end">
              <Status tone={INVITATION_TONES[state]}>{state}</Status>
            </td>
            <td>
              <When ms={expires_ms} />
            </td>
            <td class="n end">
              {state === "open" && (
                <Act
                  to={at(view, `/invitations/${encodeURIComponent(id)}/revoke`)}
                  csrf={view.csrf}
                  look="plain"
                  label={`Revoke the invitation ${email === null ? "" : `for ${email}`}`}
                >
                  Revoke
                </Act>
              )}
            </td>
          </tr>
        ))}
      </Table>
    )}
  </Card>
);

export const LIFETIMES = [
  ["86400", "a day"],
  ["604800", "a week"],
  ["2592000", "30 days"],
] as const;

function Invite(view: OrganisationView): Markup {
  const sent = view.sent?.form === "invite" ? view.sent : null;
  return (
    <Card id="invite" title="Invite somebody">
      <Body>
        <ActForm action={at(view, "/invitations")} csrf={view.csrf} fields>
          <FormFault fault={sent?.fault} title="No invitation made" fields={["email"]} />
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
}

function About(view: OrganisationView): Markup {
  const sent = view.sent?.form === "name" ? view.sent : null;
  return (
    <Card id="about" title="About">
      <Body>
        {view.kind === "organisation" && view.role === "owner" && (
          <ActForm action={at(view, "/name")} csrf={view.csrf} fields>
            <FormFault fault={sent?.fault} title="Not renamed" fields={["name"]} />
            <Field name="name" label="Name" value={sent?.fields.name ?? view.name} max={128} fault={sent?.fault} />
            <div class="row">
              <button type="submit" id="rename">
                Rename
              </button>
            </div>
          </ActForm>
        )}
        <Facts>
          <Fact name="Id">
            <code>{view.id}</code>
          </Fact>
          <Fact name="Since">
            <When ms={view.createdMs} />
          </Fact>
        </Facts>
      </Body>
    </Card>
  );
}
