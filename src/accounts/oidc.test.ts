// Signing in with a provider, against a real one (oidc-provider) on this machine.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { testDatabase } from "../db/test-database.ts";
import { manualClock } from "../lib/clock.ts";
import { LOCAL_CALLER } from "./caller.ts";
import { createInvitation } from "./invitations.ts";
import { type OidcFlow, type OidcPerson, type OidcProvider, openOidc } from "./oidc.ts";
import { linkIdentity, listIdentities, oidcSignIn, proveAndLink, unlinkIdentity } from "./oidc-sign-in.ts";
import type { PeopleSettings } from "./people.ts";
import { signUp } from "./sign-up.ts";
import { REDIRECT, startTestProvider, type TestProvider } from "./testing/oidc-provider.ts";
import { testPeople } from "./testing/people.ts";
import { findUser, listUsers, setUserDisabled } from "./users.ts";

let provider: TestProvider;
beforeAll(async () => {
  provider = await startTestProvider();
});
afterAll(() => provider.close());

const configured = (over: Partial<OidcProvider> = {}): OidcProvider => ({
  name: "test",
  label: "Test",
  issuer: provider.issuer,
  clientId: "infernet",
  clientSecret: provider.clientSecret,
  allowedDomains: [],
  trustEmail: false,
  saysHd: false,
  ...over,
});
const WISH = { invitation: null, linkUserId: null, next: null };

/** Goes through the provider as a browser would, and comes back. */
async function goThrough(login: string, over: Partial<OidcProvider> = {}) {
  const oidc = openOidc([configured(over)]);
  const begun = await oidc.begin("test", REDIRECT, WISH);
  if (!begun?.ok) throw new Error(`not begun: ${JSON.stringify(begun)}`);
  const { location, flow } = begun.value;
  return { oidc, flow, location, back: await provider.signIn(location, login) };
}

test("a person comes back with who they are, said by the provider's signature", async () => {
  const { oidc, flow, location, back } = await goThrough("anna");
  const asked = new URL(location).searchParams;
  expect(asked.get("code_challenge_method")).toBe("S256");
  expect(asked.get("nonce")).toBe(flow.nonce);
  expect(asked.get("state")).toBe(flow.state);
  expect(await oidc.finish(back, flow)).toEqual({
    ok: true,
    value: {
      issuer: provider.issuer,
      subject: "anna",
      email: "anna@example.org",
      emailVerified: true,
      name: "Anna",
    },
  });
  // The code is good once.
  expect(await oidc.finish(back, flow)).toMatchObject({ error: { code: "sign_in_failed" } });
});

test("what comes back to another browser, with another verifier or nonce, or changed on the way, is refused", async () => {
  const other = "x".repeat(43);
  const changes: [string, Partial<OidcFlow>, (back: URL) => void][] = [
    ["state", { state: other }, () => undefined],
    ["nonce", { nonce: other }, () => undefined],
    ["verifier", { verifier: other }, () => undefined],
    ["code", {}, (back) => back.searchParams.set("code", other)],
    ["issuer", {}, (back) => back.searchParams.set("iss", "https://evil.example")],
    ["no state", {}, (back) => back.searchParams.delete("state")],
  ];
  for (const [what, kept, change] of changes) {
    const { oidc, flow, back } = await goThrough("anna");
    change(back);
    const finished = await oidc.finish(back, { ...flow, ...kept });
    expect([what, finished.ok || finished.error.code]).toEqual([what, "sign_in_failed"]);
  }
});

test("an id_token that the provider's keys did not sign is refused", async () => {
  const { oidc, flow, back } = await goThrough("anna");
  provider.forgeTokens(true);
  try {
    expect(await oidc.finish(back, flow)).toMatchObject({ error: { code: "sign_in_failed" } });
  } finally {
    provider.forgeTokens(false);
  }
});

test("only addresses of the domains that are allowed sign in, and they must be proved", async () => {
  const over = { allowedDomains: ["example.org"] };
  const finish = async (login: string, more: Partial<OidcProvider> = {}) => {
    const { oidc, flow, back } = await goThrough(login, { ...over, ...more });
    const finished = await oidc.finish(back, flow);
    return finished.ok ? finished.value.emailVerified : finished.error.code;
  };
  expect(await finish("anna")).toBe(true);
  expect(await finish("bert.elsewhere")).toBe("address_not_allowed");
  expect(await finish("carl.unproved")).toBe("address_not_allowed");
  expect(await finish("carl.unproved", { trustEmail: true })).toBe(true);
  expect(await finish("dora.nomail")).toBe("address_not_allowed");
  // Google's: not whoever left the organisation and kept a private account of the address.
  expect(await finish("anna", { saysHd: true })).toBe("address_not_allowed");
  expect(await finish("anna.managed", { saysHd: true })).toBe(true);
  expect(await finish("anna", { saysHd: true, allowedDomains: [] })).toBe(true);
});

test("a provider that does not answer is said to be away, and asked again the next time", async () => {
  const oidc = openOidc([configured({ issuer: "http://127.0.0.1:9" })]);
  for (let i = 0; i < 2; i += 1) {
    expect(await oidc.begin("test", REDIRECT, WISH)).toMatchObject({ error: { code: "provider_failed" } });
  }
  expect(oidc.begin("nobody", REDIRECT, WISH)).toBeUndefined();
});

const HERE = { address: "198.51.100.4", userAgent: "a browser" };
const PASSWORD = "correct horse";
const nobody = { invitation: null, before: null };
const anna = (over: Partial<OidcPerson> = {}): OidcPerson => ({
  issuer: "https://id.example",
  subject: "1",
  email: "anna@example.org",
  emailVerified: true,
  name: "Anna",
  ...over,
});

async function house(settings: Partial<PeopleSettings> = {}) {
  const database = await testDatabase();
  const people = testPeople({ db: database.db, clock: manualClock() }, settings);
  return { people, [Symbol.asyncDispose]: () => database[Symbol.asyncDispose]() };
}

test("people are known by issuer and subject, whatever their address becomes", async () => {
  await using on = await house({ signUp: "open" });
  const first = await oidcSignIn(on.people, anna(), nobody, HERE);
  expect(first).toMatchObject({ value: { next: "signed_in" } });
  const again = await oidcSignIn(on.people, anna({ email: "new@example.org", emailVerified: false }), nobody, HERE);
  expect(again.ok && again.value.next === "signed_in" && again.value.userId).toBe(
    (await listUsers(on.people))[0]?.id ?? "",
  );
  // The same subject of another issuer is somebody else, who has the address of somebody known.
  expect(await oidcSignIn(on.people, anna({ issuer: "https://evil.example" }), nobody, HERE)).toMatchObject({
    error: { code: "known_otherwise" },
  });
  expect((await listUsers(on.people)).length).toBe(1);
});

test("an account with the same address is opened only where it is proved, and with the account's password", async () => {
  await using on = await house({ signUp: "open" });
  const { people } = on;
  await signUp(people, { email: "anna@example.org", name: "Anna", password: PASSWORD }, HERE);
  expect(await oidcSignIn(people, anna({ emailVerified: false }), nobody, HERE)).toMatchObject({
    error: { code: "address_not_verified" },
  });
  expect(await oidcSignIn(people, anna(), nobody, HERE)).toEqual({
    ok: true,
    value: { next: "prove", email: "anna@example.org" },
  });
  const prove = (password: string) => proveAndLink(people, anna(), { password, device: null, before: null }, HERE);
  expect(await prove("wrong password")).toMatchObject({ error: { code: "wrong_credentials" } });
  const user = await findUser(people.db.read, "anna@example.org");
  expect(await listIdentities(people, `${user?.id}`)).toEqual([]);
  expect(await prove(PASSWORD)).toMatchObject({ value: { userId: user?.id } });
  expect(await oidcSignIn(people, anna(), nobody, HERE)).toMatchObject({
    value: { next: "signed_in", userId: user?.id },
  });
});

test("the rules of sign-up hold for those who come by a provider", async () => {
  await using on = await house({ signUp: "invite" });
  const { people } = on;
  expect(await oidcSignIn(people, anna(), nobody, HERE)).toMatchObject({ error: { code: "invitation_needed" } });
  const closed = { ...people, settings: { ...people.settings, signUp: "closed" as const } };
  const made = await createInvitation(people, { roles: ["operator"], ttlMs: 60_000 }, LOCAL_CALLER);
  const invitation = made.ok ? (made.value.link.split("#")[1] ?? "") : "";
  expect(await oidcSignIn(closed, anna(), { invitation, before: null }, HERE)).toMatchObject({
    error: { code: "sign_up_closed" },
  });
  expect(await oidcSignIn(people, anna({ emailVerified: false }), { invitation, before: null }, HERE)).toMatchObject({
    error: { code: "address_not_verified" },
  });
  expect((await oidcSignIn(people, anna(), { invitation, before: null }, HERE)).ok).toBe(true);
  expect((await listUsers(people)).map(({ roles }) => roles)).toEqual([["operator"]]);
  const other = anna({ subject: "2", email: "bert@example.org" });
  expect(await oidcSignIn(people, other, { invitation, before: null }, HERE)).toMatchObject({
    error: { code: "link_not_valid" },
  });
});

test("whoever is shut out here is so whatever a provider says", async () => {
  await using on = await house({ signUp: "open" });
  await oidcSignIn(on.people, anna(), nobody, HERE);
  await setUserDisabled(on.people, "anna@example.org", true, LOCAL_CALLER);
  expect(await oidcSignIn(on.people, anna(), nobody, HERE)).toMatchObject({ error: { code: "user_disabled" } });
});

test("one identity belongs to one user, and the last way in stays", async () => {
  await using on = await house({ signUp: "open" });
  const { people } = on;
  await oidcSignIn(people, anna(), nobody, HERE);
  await signUp(people, { email: "bert@example.org", name: "Bert", password: PASSWORD }, HERE);
  const [a, b] = await Promise.all(
    ["anna", "bert"].map(async (name) => (await findUser(people.db.read, `${name}@example.org`))?.id ?? ""),
  );
  expect(await linkIdentity(people, anna(), `${b}`, HERE)).toEqual({ ok: false, error: "linked_elsewhere" });
  expect((await linkIdentity(people, anna(), `${a}`, HERE)).ok).toBe(true);
  expect(await unlinkIdentity(people, `${a}`, anna(), HERE)).toEqual({ ok: false, error: "last_way_in" });
  expect(await unlinkIdentity(people, `${b}`, anna(), HERE)).toEqual({ ok: false, error: "identity_unknown" });
  const berts = anna({ subject: "2" });
  expect((await linkIdentity(people, berts, `${b}`, HERE)).ok).toBe(true);
  expect((await unlinkIdentity(people, `${b}`, berts, HERE)).ok).toBe(true);
});
