// Signed in: people on a coordinator stage, with what their browsers send.
import { LOCAL_CALLER } from "../../accounts/caller.ts";
import type { UserRole } from "../../accounts/roles.ts";
import { accounts, members } from "../../accounts/schema.ts";
import { insertUser } from "../../accounts/users.ts";
import type { CoordinatorStage } from "../../http/testing/coordinator-stage.ts";

const PASSWORD = "correct horse battery";

export type SignedIn = {
  /** The account that they act for. */
  accountId: string;
  get(path: string): Promise<Response>;
  /** As a form of a page. */
  post(
    path: string,
    fields?: Record<string, string>,
    more?: { headers?: Record<string, string>; signal?: AbortSignal },
  ): Promise<Response>;
};
type Options = {
  email?: string;
  roles?: UserRole[];
  /** Acts for a new organisation in which they are no owner. */
  member?: boolean;
};

/** A new user, signed in. */
export async function signedIn(
  { human: { people }, server }: Pick<CoordinatorStage, "human" | "server">,
  { email = "cleo@example.org", roles = ["client"], member = false }: Options = {},
): Promise<SignedIn> {
  const hash = await people.passwords.hash(PASSWORD);
  const user = { email, name: email, passwordHash: hash.ok ? hash.value : null, roles };
  await people.db.writer.transact((tx) => insertUser(tx, people, user, LOCAL_CALLER));
  const answer = await fetch(`${server.url}/api/v1/auth/sign-in`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ email, password: PASSWORD }),
  });
  const me = (await answer.json()) as { csrf_token: string; user: { id: string }; account: { id: string } };
  const cookie = answer.headers.getSetCookie().map((one) => one.slice(0, one.indexOf(";")));
  const headers = { cookie: cookie.join("; "), "x-csrf-token": me.csrf_token };
  const post: SignedIn["post"] = (path, fields = {}, more = {}) =>
    fetch(server.url + path, {
      method: "POST",
      redirect: "manual",
      headers: { ...headers, "content-type": "application/x-www-form-urlencoded", ...more.headers },
      body: new URLSearchParams(fields).toString(),
      ...(more.signal ? { signal: more.signal } : {}),
    });
  const get = (path: string) => fetch(server.url + path, { headers, redirect: "manual" });
  if (!member) return { accountId: me.account.id, get, post };
  const accountId = `org_${me.user.id}`;
  await people.db.writer.transact(async (tx) => {
    await tx.insert(accounts).values({ id: accountId, kind: "organisation", name: "Org", createdMs: 0 });
    await tx.insert(members).values({ accountId, userId: me.user.id, role: "member", createdMs: 0 });
  });
  const switched = await post("/api/v1/account/switch", { account: accountId });
  if (!switched.ok) throw new Error(await switched.text());
  headers["x-csrf-token"] = ((await switched.json()) as typeof me).csrf_token;
  return { accountId, get, post };
}
