// Entrance: the pages by which people come in: set-up, signing in and up, passwords. Plain forms that need no script; the
// secret of a link is put into its field by link.js, or pasted.
import type { Child } from "hono/jsx";
import { LINK_SCRIPT } from "../../parts/assets.ts";
import { type Fault, Field, FormFault } from "../../parts/field.tsx";
import type { Markup } from "../../parts/markup.ts";
import { Body, Empty, Notice } from "../../parts/parts.tsx";
import { Head, Shell, type Viewer } from "../../parts/shell.tsx";
import { Name as ShownName } from "../../parts/text.tsx";

export type Providers = readonly { name: string; label: string }[];
/** A form as it was sent, and what was wrong with it; empty where it was not sent yet. */
export type Sent = { fields: Readonly<Record<string, string>>; fault: Fault | null };
export const NOT_SENT: Sent = { fields: {}, fault: null };

type Base = { viewer: Viewer; sent: Sent };

const Entrance = ({
  viewer,
  title,
  note,
  link = false,
  children,
}: {
  viewer: Viewer;
  title: string;
  note?: Child;
  /** Opened by a link with a secret. */
  link?: boolean;
  children?: Child;
}): Markup => (
  <Shell viewer={viewer} title={title} scripts={link ? [LINK_SCRIPT] : []}>
    <div class="narrow stack">
      <Head title={title} {...(note === undefined ? {} : { note })} />
      {children}
    </div>
  </Shell>
);
const Panel = ({ title, children }: { title: string; children?: Child }): Markup => (
  <section class="card" aria-label={title}>
    <Body>{children}</Body>
  </section>
);
const Send = ({ children }: { children?: Child }): Markup => (
  <div class="row">
    <button type="submit" class="act">
      {children}
    </button>
  </div>
);

const Email = ({ sent, first = false }: { sent: Sent; first?: boolean }): Markup => (
  <Field
    name="email"
    label="Email address"
    type="email"
    value={sent.fields.email}
    autocomplete="username"
    max={254}
    fault={sent.fault}
    first={first}
  />
);
const Name = ({ sent, first = false }: { sent: Sent; first?: boolean }): Markup => (
  <Field
    name="name"
    label="Name"
    value={sent.fields.name}
    autocomplete="name"
    max={128}
    fault={sent.fault}
    first={first}
  />
);
export const NewPassword = ({ sent, first = false }: { sent: Sent; first?: boolean }): Markup => (
  <Field
    name="password"
    label="New password"
    type="password"
    autocomplete="new-password"
    min={10}
    max={256}
    hint="10 characters or more. Length is all that counts: a sentence is good, and so is what a password manager makes."
    fault={sent.fault}
    first={first}
  />
);
const Password = ({ sent, first = false }: { sent: Sent; first?: boolean }): Markup => (
  <Field
    name="password"
    label="Password"
    type="password"
    autocomplete="current-password"
    max={1024}
    fault={sent.fault}
    first={first}
  />
);
/** Filled by link.js; seen only where there is no script, or no link. */
const Secret = ({ name, label, hint, sent }: { name: string; label: string; hint: Child; sent: Sent }): Markup => (
  <div data-without-secret="" hidden={sent.fields[name] !== undefined}>
    <Field name={name} label={label} value={sent.fields[name]} max={2048} hint={hint} fault={sent.fault} secret />
  </div>
);

/** The first of three steps. `open`: nobody governs here yet. */
export const SetUp = ({ viewer, sent, open, steps }: Base & { open: boolean; steps: Markup }): Markup => (
  <Entrance
    viewer={viewer}
    title={open ? "Set up infernet" : "This instance is set up"}
    link={open}
    {...(open ? { note: "You become its first admin. No one else can, once you are." } : {})}
  >
    {open ? (
      <>
        {steps}
        <Panel title="First admin">
          <FormFault fault={sent.fault} title="Not set up" fields={["name", "email", "password", "secret"]} />
          <form method="post" action="/setup" class="fields">
            <Secret
              name="secret"
              label="Set-up link"
              hint={
                <>
                  The start prints it; <code>infernet users setup-link</code> makes a new one.
                </>
              }
              sent={sent}
            />
            <Name sent={sent} first />
            <Email sent={sent} />
            <NewPassword sent={sent} />
            <Send>Create the admin</Send>
          </form>
        </Panel>
      </>
    ) : (
      <section class="card" aria-label="Set up">
        <Empty
          icon="ok"
          tone="ok"
          level={2}
          title="There is an admin already"
          act={
            <a class="button act" href="/sign-in">
              Sign in
            </a>
          }
        >
          A set-up link is for the first one only. An admin can let others in under People.
        </Empty>
      </section>
    )}
  </Entrance>
);

type SignInView = Base & {
  providers: Providers;
  mail: boolean;
  signUp: boolean;
  /** There is an admin. */
  governed: boolean;
  /** Where to go after it. */
  next: string | null;
  /** What happened before, in a sentence. */
  news: string | null;
};
export const SignIn = ({ viewer, sent, providers, mail, signUp, governed, next, news }: SignInView): Markup => (
  <Entrance
    viewer={viewer}
    title="Sign in"
    {...(next === null ? {} : { note: "Sign in first: the page that you asked for comes next." })}
  >
    {news !== null && (
      <Notice tone="ok" title="One more step">
        {news}
      </Notice>
    )}
    {!governed && (
      <Notice tone="warn" title="Nobody governs this instance yet">
        The link that makes the first admin was printed where it was started. <code>infernet users setup-link</code>{" "}
        prints a new one there.
      </Notice>
    )}
    <Panel title="Sign in">
      <FormFault fault={sent.fault} title="Not signed in" fields={["email"]} />
      <form method="post" action="/sign-in" class="fields">
        {next !== null && <input type="hidden" name="next" value={next} />}
        <Email sent={sent} first={sent.fault === null} />
        <Password sent={sent} first={sent.fault !== null} />
        <div class="row spread">
          <button type="submit" class="act">
            Sign in
          </button>
          {mail && <a href="/password/forgot">Password forgotten</a>}
        </div>
      </form>
      {providers.map(({ name, label }) => (
        <a class="button" href={providerHref(name, next)}>
          Sign in with {label}
        </a>
      ))}
    </Panel>
    <p class="note">
      {signUp ? (
        <>
          New here? <a href="/sign-up">Sign up</a>
        </>
      ) : mail ? (
        "New here? An admin sends the invitation."
      ) : (
        "New here, or locked out? An admin of this instance gives you a link."
      )}
    </p>
  </Entrance>
);

/** By the provider, and from there on to `next`. */
const providerHref = (name: string, next: string | null): string =>
  `/api/v1/auth/oidc/${encodeURIComponent(name)}${next === null ? "" : `?${new URLSearchParams({ next })}`}`;

export const ProveLink = ({ viewer, sent, next }: Base & { next: string | null }): Markup => (
  <Entrance
    viewer={viewer}
    title="Is this your account?"
    note="There is an account of the address that the provider gave. Its password, this once, links the two."
  >
    <Panel title="Link">
      <FormFault fault={sent.fault} title="Not linked" />
      <form method="post" action="/sign-in/link" class="fields">
        {next !== null && <input type="hidden" name="next" value={next} />}
        <Password sent={sent} first />
        <Send>Link and sign in</Send>
      </form>
    </Panel>
  </Entrance>
);

type SignUpView = Base & { mode: "open" | "invite" | "closed"; providers: Providers; mail: boolean };

export const SignUp = ({ viewer, sent, mode, providers, mail }: SignUpView): Markup => (
  <Entrance viewer={viewer} title="Sign up" link={mode !== "closed"}>
    {mode === "closed" ? (
      <section class="card" aria-label="Sign up">
        <Empty
          icon="people"
          level={2}
          title="Nobody can sign up here"
          act={
            <a class="button act" href="/sign-in">
              Sign in
            </a>
          }
        >
          An admin of this instance can let you in.
        </Empty>
      </section>
    ) : (
      <>
        <FormFault fault={sent.fault} title="Not signed up" fields={["name", "email", "password"]} />
        {mode === "open" && <OpenSignUp sent={sent} providers={providers} mail={mail} />}
        <Invited sent={sent} providers={providers} open={mode === "open"} />
      </>
    )}
    <p class="note">
      Here already? <a href="/sign-in">Sign in</a>
    </p>
  </Entrance>
);

/** For whoever is here already: the link lets them into an organisation, or gives them a role. */
export const JoinByLink = ({ viewer, csrf, email }: { viewer: Viewer; csrf: string; email: string }): Markup => (
  <Entrance viewer={viewer} title="You are invited" link>
    <Panel title="Join">
      <form method="post" action="/account/join" class="fields">
        <input type="hidden" name="csrf_token" value={csrf} />
        <Secret name="invitation" label="Invitation" hint="Open its link, or paste it." sent={NOT_SENT} />
        <p>
          You are signed in as{" "}
          <b>
            <ShownName of={email} max={80} />
          </b>
          . What the invitation brings becomes yours.
        </p>
        <Send>Join</Send>
      </form>
    </Panel>
  </Entrance>
);

/** Without an invitation: where mail is sent, the address is proved first. */
const OpenSignUp = ({ sent, providers, mail }: { sent: Sent; providers: Providers; mail: boolean }): Markup => (
  <div data-without-secret="" hidden={sent.fields.invitation !== undefined}>
    <Panel title="Sign up">
      <form method="post" action="/sign-up" class="fields">
        {!mail && <Name sent={sent} />}
        <Email sent={sent} />
        {!mail && <NewPassword sent={sent} />}
        <Send>{mail ? "Send me a link" : "Sign up"}</Send>
      </form>
      {providers.map(({ name, label }) => (
        <a class="button" href={`/api/v1/auth/oidc/${encodeURIComponent(name)}`}>
          Sign up with {label}
        </a>
      ))}
    </Panel>
  </div>
);

/** With one: its secret stands in the link, or is pasted. */
function Invited({ sent, providers, open }: { sent: Sent; providers: Providers; open: boolean }): Markup {
  const { invitation } = sent.fields;
  const mine = open && invitation === undefined ? NOT_SENT : sent;
  // Ids of their own: in an open instance the other form stands in the same page.
  return (
    <div data-with-secret={open ? "" : undefined} hidden={open && invitation === undefined}>
      <Panel title="You are invited">
        <form method="post" action="/sign-up" class="fields">
          {open ? (
            <input type="hidden" name="invitation" value={invitation} data-secret="" />
          ) : (
            <Secret
              name="invitation"
              label="Invitation"
              hint="Signing up here takes an invitation from an admin: open its link, or paste it."
              sent={mine}
            />
          )}
          <Field
            id="invited-name"
            name="name"
            label="Name"
            value={mine.fields.name}
            autocomplete="name"
            max={128}
            fault={mine.fault}
          />
          <Field
            id="invited-email"
            name="email"
            label="Email address"
            type="email"
            value={mine.fields.email}
            autocomplete="username"
            max={254}
            fault={mine.fault}
          />
          <Field
            id="invited-password"
            name="password"
            label="New password"
            type="password"
            autocomplete="new-password"
            min={10}
            max={256}
            hint="10 characters or more. Length is all that counts."
            fault={mine.fault}
          />
          <Send>Sign up</Send>
        </form>
        {providers.map(({ name, label }) => (
          <form
            method="post"
            action={`/sign-up/with/${encodeURIComponent(name)}`}
            hx-post={`/sign-up/with/${encodeURIComponent(name)}`}
            hx-swap="none"
          >
            <input type="hidden" name="invitation" value={invitation} data-secret="" />
            <button type="submit">Sign up with {label}</button>
          </form>
        ))}
        <p class="note">Have an account here already? Sign in, then give the invitation on the page of your account.</p>
      </Panel>
    </div>
  );
}

export const FinishSignUp = ({ viewer, sent }: Base): Markup => (
  <Entrance viewer={viewer} title="Sign up" note="Your address is proved. Two things are left." link>
    <Panel title="Sign up">
      <FormFault fault={sent.fault} title="Not signed up" fields={["name", "password", "secret"]} />
      <form method="post" action="/sign-up/finish" class="fields">
        <Secret name="secret" label="Link" hint="From the mail that we sent you." sent={sent} />
        <Name sent={sent} first />
        <NewPassword sent={sent} />
        <Send>Sign up</Send>
      </form>
    </Panel>
  </Entrance>
);

export const SetPassword = ({ viewer, sent }: Base): Markup => (
  <Entrance viewer={viewer} title="New password" note="You are signed out everywhere else by it." link>
    <Panel title="New password">
      <FormFault fault={sent.fault} title="Not set" fields={["password", "secret"]} />
      <form method="post" action="/password" class="fields">
        <Secret name="secret" label="Link" hint="From the mail, or from an admin." sent={sent} />
        <NewPassword sent={sent} first />
        <Send>Set the password</Send>
      </form>
    </Panel>
  </Entrance>
);

export const ForgotPassword = ({ viewer, sent, mail }: Base & { mail: boolean }): Markup => (
  <Entrance viewer={viewer} title="Password forgotten">
    {mail ? (
      <Panel title="Password forgotten">
        <FormFault fault={sent.fault} title="Nothing was sent" fields={["email"]} />
        <form method="post" action="/password/forgot" class="fields">
          <Email sent={sent} first />
          <Send>Send me a link</Send>
        </form>
      </Panel>
    ) : (
      <section class="card" aria-label="Password forgotten">
        <Empty icon="keyicon" level={2} title="No mail is sent from here">
          An admin can give you a link: on their page People, or by <code>infernet users reset-password</code>.
        </Empty>
      </section>
    )}
  </Entrance>
);

/** After something that goes on by mail; the same whether the address is known or not. */
export const MailSent = ({ viewer }: { viewer: Viewer }): Markup => (
  <Entrance viewer={viewer} title="Look into your mail">
    <section class="card" aria-label="Mail">
      <Empty icon="send" level={2} title="There is a link to go on with, if the address is right">
        It may take a minute, and stand among what your mail program takes for advertising.
      </Empty>
    </section>
  </Entrance>
);

export const Failure = ({ viewer, words }: { viewer: Viewer; words: string }): Markup => (
  <Entrance viewer={viewer} title="Not signed in">
    <section class="card" aria-label="Not signed in">
      <Empty
        icon="warn"
        tone="warn"
        level={2}
        title={words}
        act={
          <a class="button act" href={viewer.human ? "/account" : "/sign-in"}>
            {viewer.human ? "Back to your account" : "Sign in"}
          </a>
        }
      >
        Nothing was changed.
      </Empty>
    </section>
  </Entrance>
);
