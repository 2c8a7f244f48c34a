// People: the pages on which somebody comes in, and their own account. Plain forms; form-script.ts sends them.
import type { Child } from "hono/jsx";
import type { HtmlEscapedString } from "hono/utils/html";
import { STYLE } from "./style.ts";

type VNode = HtmlEscapedString | Promise<HtmlEscapedString>;
type Providers = readonly { name: string; label: string }[];

function Page({ title, csrf, children }: { title: string; csrf?: string; children?: Child }): VNode {
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        {csrf !== undefined && <meta name="csrf-token" content={csrf} />}
        <title>{`infernet: ${title}`}</title>
        {/* Our own constant, no text of anybody's. */}
        <style dangerouslySetInnerHTML={{ __html: STYLE }} />
        <script src="/assets/forms.js" defer></script>
      </head>
      <body>
        <main>
          <header>
            <h1>{title}</h1>
            <p class="soft">
              <a href="/">infernet</a>
            </p>
          </header>
          <noscript>
            <p>These forms need JavaScript; the same can be done through the API and with `infernet users`.</p>
          </noscript>
          {children}
        </main>
      </body>
    </html>
  );
}

type FormProps = {
  api: string;
  button: string;
  /** Where to go after it. */
  then?: string;
  /** What to say after it. */
  done?: string;
  /** The field of the answer to show. */
  show?: string;
  /** The field that the secret of the address goes into. */
  secretField?: string;
  children?: Child;
};
function Form({ api, button, then, done, show, secretField, children }: FormProps): VNode {
  return (
    <form
      method="post"
      data-api={api}
      data-then={then}
      data-done={done}
      data-show={show}
      data-secret-field={secretField}
    >
      {children}
      <button type="submit">{button}</button>
      <p role="status"></p>
    </form>
  );
}

const Email = (): VNode => (
  <label>
    Email address
    <input name="email" type="email" autocomplete="username" maxlength={254} required />
  </label>
);
const Name = (): VNode => (
  <label>
    Name
    <input name="name" autocomplete="name" maxlength={128} required />
  </label>
);
const Password = ({ name = "password", label = "Password" }: { name?: string; label?: string }): VNode => (
  <label>
    {label}
    <input name={name} type="password" autocomplete="current-password" maxlength={256} required />
  </label>
);
const NewPassword = (): VNode => (
  <label>
    New password, 10 characters or more
    <input name="password" type="password" autocomplete="new-password" minlength={10} maxlength={256} required />
  </label>
);

export const SetUp = (): VNode => (
  <Page title="Set up">
    <section>
      <p data-with-secret>You become the first admin of this instance.</p>
      <p data-without-secret>
        This page is opened by the link that the start prints; <code>infernet users setup-link</code> makes a new one.
      </p>
      <Form api="/api/v1/auth/setup" secretField="secret" button="Make me the admin" then="/account">
        <Name />
        <Email />
        <NewPassword />
      </Form>
    </section>
  </Page>
);

export const SignIn = ({
  providers,
  mail,
  signUp,
}: {
  providers: Providers;
  mail: boolean;
  signUp: boolean;
}): VNode => (
  <Page title="Sign in">
    <section>
      <Form api="/api/v1/auth/sign-in" button="Sign in" then="/account">
        <Email />
        <Password />
      </Form>
      {providers.map(({ name, label }) => (
        <p>
          <a href={`/api/v1/auth/oidc/${name}`}>Sign in with {label}</a>
        </p>
      ))}
      {mail && (
        <p>
          <a href="/password/forgot">Password forgotten</a>
        </p>
      )}
      {signUp && (
        <p>
          <a href="/sign-up">Sign up</a>
        </p>
      )}
    </section>
  </Page>
);

export const Link = (): VNode => (
  <Page title="Is this your account?">
    <section>
      <p>There is an account of the address that the provider gave. Its password, this once, links the two.</p>
      <Form api="/api/v1/auth/oidc/prove" button="Link and sign in" then="/account">
        <Password />
      </Form>
    </section>
  </Page>
);

type SignUpView = { mode: "open" | "invite" | "closed"; providers: Providers; mail: boolean };

export const SignUp = ({ mode, providers, mail }: SignUpView): VNode => (
  <Page title="Sign up">
    <section>
      {mode === "closed" && <p>Nobody can sign up here; an admin can let you in.</p>}
      {mode === "invite" && <p data-without-secret>Signing up here takes an invitation from an admin.</p>}
      {mode !== "closed" && (
        <div data-with-secret>
          <p>You were invited. If you have an account already, sign in and give the invitation there.</p>
          <Form api="/api/v1/auth/sign-up" secretField="invitation" button="Sign up" then="/account">
            <Name />
            <Email />
            <NewPassword />
          </Form>
        </div>
      )}
      {mode === "open" && (
        <div data-without-secret>
          <Form api="/api/v1/auth/sign-up" button="Sign up">
            {!mail && <Name />}
            <Email />
            {!mail && <NewPassword />}
          </Form>
        </div>
      )}
      {mode !== "closed" &&
        providers.map(({ name, label }) => (
          <Form api={`/api/v1/auth/oidc/${name}`} secretField="invitation" button={`Sign up with ${label}`} />
        ))}
    </section>
  </Page>
);

export const FinishSignUp = (): VNode => (
  <Page title="Sign up">
    <section>
      <Form api="/api/v1/auth/sign-up/finish" secretField="secret" button="Sign up" then="/account">
        <Name />
        <NewPassword />
      </Form>
    </section>
  </Page>
);

export const SetPassword = (): VNode => (
  <Page title="New password">
    <section>
      <Form api="/api/v1/auth/password/reset" secretField="secret" button="Set the password" then="/account">
        <NewPassword />
      </Form>
    </section>
  </Page>
);

export const ForgotPassword = ({ mail }: { mail: boolean }): VNode => (
  <Page title="Password forgotten">
    <section>
      {mail ? (
        <Form api="/api/v1/auth/password/forgot" button="Send me a link">
          <Email />
        </Form>
      ) : (
        <p>No mail is sent from here; an admin can give you a link.</p>
      )}
    </section>
  </Page>
);

export const Failure = ({ message }: { message: string }): VNode => (
  <Page title="Not signed in">
    <section>
      <p>{message[0]?.toUpperCase() + message.slice(1)}.</p>
      <p>
        <a href="/sign-in">Sign in</a>
      </p>
    </section>
  </Page>
);

export type AccountView = {
  me: {
    user: { email: string; name: string; roles: readonly string[]; has_password: boolean };
    account: { id: string; name: string; role: string };
    csrf_token: string;
  };
  nowMs: number;
  accounts: { id: string; name: string; role: string }[];
  sessions: { id: string; address: string; userAgent: string; lastSeenMs: number; isThis: boolean }[];
  identities: { issuer: string; email: string }[];
  providers: Providers;
  nodes: { pubkey: string; name: string }[];
};

export const Account = ({ me, accounts, sessions, identities, providers, nodes }: AccountView): VNode => (
  <Page title="Account" csrf={me.csrf_token}>
    <section aria-labelledby="who">
      <h2 id="who">{me.user.name}</h2>
      <p class="soft">
        {me.user.email} · {me.user.roles.join(", ")} · acts for {me.account.name} ({me.account.role})
      </p>
      <Form api="/api/v1/auth/sign-out" button="Sign out" then="/sign-in" />
    </section>
    <section aria-labelledby="accounts">
      <h2 id="accounts">Accounts</h2>
      {accounts
        .filter(({ id }) => id !== me.account.id)
        .map(({ id, name }) => (
          <Form api="/api/v1/account/switch" button={`Act for ${name}`} then="/account">
            <input type="hidden" name="account" value={id} />
          </Form>
        ))}
      <Form api="/api/v1/account/invitations/accept" button="Join" then="/account">
        <label>
          Invitation
          <input name="invitation" autocomplete="off" maxlength={2048} required />
        </label>
      </Form>
    </section>
    <section aria-labelledby="nodes">
      <h2 id="nodes">Nodes</h2>
      {nodes.map(({ pubkey, name }) => (
        <p>
          {name} <code>{pubkey}</code>
        </p>
      ))}
      <Form api="/api/v1/account/nodes/link" button="Link a node" show="command" />
    </section>
    <section aria-labelledby="sessions">
      <h2 id="sessions">Signed in at</h2>
      {sessions.map(({ id, address, userAgent, lastSeenMs, isThis }) => (
        <div>
          <p>
            {address} <span class="soft">{userAgent}</span>{" "}
            <time datetime={new Date(lastSeenMs).toISOString()}>{new Date(lastSeenMs).toISOString()}</time>
          </p>
          {isThis ? (
            <p class="soft">This one.</p>
          ) : (
            <Form api={`/api/v1/account/sessions/${id}/revoke`} button="End it" then="/account" />
          )}
        </div>
      ))}
    </section>
    <section aria-labelledby="ways">
      <h2 id="ways">Ways to sign in</h2>
      {identities.map(({ issuer, email }) => (
        <p>
          {issuer} <span class="soft">{email}</span>
        </p>
      ))}
      {providers.map(({ name, label }) => (
        <Form api={`/api/v1/auth/oidc/${name}/link`} button={`Link ${label}`} />
      ))}
      {me.user.has_password && (
        <Form api="/api/v1/auth/password" button="Change the password" then="/account">
          <Password name="current" label="Present password" />
          <NewPassword />
        </Form>
      )}
    </section>
  </Page>
);
