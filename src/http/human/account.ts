// One's own account: `/api/v1/account/*`: who one is, sessions, invitations, and the nodes that belong to the account.
import { z } from "zod";
import { acceptInvitation } from "../../accounts/invitations.ts";
import { nameSchema } from "../../accounts/names.ts";
import { listIdentities, unlinkIdentity } from "../../accounts/oidc-sign-in.ts";
import { listAccounts } from "../../accounts/organisations.ts";
import { listSessions, revokeSessions, type Session, switchAccount } from "../../accounts/sessions.ts";
import { renameUser } from "../../accounts/users.ts";
import { pubkeySchema } from "../../protocol/primitives.ts";
import { createNodeChallenge, nodesOfAccount, unlinkNode } from "../../registry/account-link.ts";
import type { NodeRow } from "../../registry/schema.ts";
import type { HumanRoute, SignedInCall } from "../routes.ts";
import { bodyOf, data } from "./answers.ts";
import { callerOf, type HumanDeps, meView, originOf, signedInAnswer } from "./deps.ts";
import { refuse } from "./refuse.ts";

const BASE = "/api/v1/account";
const namedSchema = z.object({ name: nameSchema });
const switchSchema = z.object({ account: z.string().max(128) });
const invitationSchema = z.object({
  /** The secret, or the whole link. */
  invitation: z
    .string()
    .trim()
    .max(2_048)
    .transform((text) => text.slice(text.lastIndexOf("#") + 1)),
});
const identitySchema = z.object({ issuer: z.string().max(2_048), subject: z.string().max(255) });
const nodeSchema = z.object({ pubkey: pubkeySchema });

export function accountRoutes(deps: HumanDeps): HumanRoute[] {
  const get = (path: string, summary: string, handle: (call: SignedInCall) => Promise<Response> | Response) =>
    ({ method: "GET", path: BASE + path, tier: "human", access: "user", summary, handle }) as const;
  const post = (path: string, summary: string, handle: Handle, body?: z.ZodType): HumanRoute => ({
    method: "POST",
    path: BASE + path,
    tier: "human",
    access: "user",
    summary,
    ...(body ? { body } : {}),
    handle: (call) => handle(deps, call),
  });
  const { people } = deps;
  return [
    get("", "Who is signed in, for which account they act, and the csrf_token.", (call) => data(meView(call.human))),
    post("/name", "Changes what one is called.", rename, namedSchema),
    get("/accounts", "The accounts that one may act for.", async ({ human }) =>
      data({ accounts: await listAccounts(people, human.user.id) }),
    ),
    post("/switch", "Acts for another of one's accounts from now on, in this session.", switchTo, switchSchema),
    get("/sessions", "Where one is signed in.", async ({ human }) => {
      const sessions = await listSessions(people, human.user.id);
      return data({ sessions: sessions.map((session) => sessionView(session, human.session.id)) });
    }),
    post("/sessions/:id/revoke", "Ends one of one's sessions.", revokeSession),
    post("/sessions/revoke-others", "Ends all of one's sessions but this one.", revokeOthers),
    post("/invitations/accept", "Joins by an invitation.", accept, invitationSchema),
    get("/identities", "The providers that one signs in with.", async ({ human }) =>
      data({ identities: await listIdentities(people, human.user.id) }),
    ),
    post("/identities/unlink", "Signs in with a provider no more.", unlink, identitySchema),
    get("/nodes", "The nodes that belong to the account.", async ({ human }) =>
      data({ nodes: (await nodesOfAccount(people, human.account.id)).map(nodeView) }),
    ),
    post("/nodes/link", "A code for `infernet link-account` on a node; good for an hour.", challenge),
    post("/nodes/unlink", "Gives a node of the account up.", giveNodeUp, nodeSchema),
  ];
}

type Handle = (deps: HumanDeps, call: SignedInCall) => Promise<Response>;

const rename: Handle = async ({ people }, call) => {
  const body = bodyOf(call, namedSchema);
  if (!body.ok) return body.error;
  await renameUser(people, call.human.user.id, body.value.name, callerOf(call));
  return data(body.value);
};

const switchTo: Handle = async (deps, call) => {
  const body = bodyOf(call, switchSchema);
  if (!body.ok) return body.error;
  const switched = await switchAccount(deps.people, call.human, body.value.account);
  if (!switched.ok) return refuse({ code: switched.error });
  return await signedInAnswer(deps, call, { token: call.token ?? "" });
};

const revokeSession: Handle = async ({ people }, call) => {
  const id = call.params.id ?? "";
  const ended = await revokeSessions(people, call.human.user.id, { id }, callerOf(call));
  return ended === 0 ? refuse({ code: "session_unknown" }) : data({ ended });
};

const revokeOthers: Handle = async ({ people }, call) => {
  const { user, session } = call.human;
  return data({ ended: await revokeSessions(people, user.id, { allBut: session.id }, callerOf(call)) });
};

const accept: Handle = async (deps, call) => {
  const body = bodyOf(call, invitationSchema);
  if (!body.ok) return body.error;
  const joined = await acceptInvitation(deps.people, call.human, body.value.invitation, originOf(call));
  if (!joined.ok) return refuse({ code: joined.error });
  return await signedInAnswer(deps, call, { token: joined.value.token ?? call.token ?? "" });
};

const unlink: Handle = async ({ people }, call) => {
  const body = bodyOf(call, identitySchema);
  if (!body.ok) return body.error;
  const unlinked = await unlinkIdentity(people, call.human.user.id, body.value, originOf(call));
  return unlinked.ok ? data(body.value) : refuse({ code: unlinked.error });
};

const challenge: Handle = async ({ people, coordinator }, { human }) => {
  const asked = { accountId: human.account.id, userId: human.user.id };
  const { code, expiresMs } = await createNodeChallenge({ ...people, coordinator }, asked);
  return data({ code, command: `infernet link-account ${code}`, expires_ms: expiresMs });
};

const giveNodeUp: Handle = async ({ people, reloadNode }, call) => {
  const body = bodyOf(call, nodeSchema);
  if (!body.ok) return body.error;
  const { pubkey } = body.value;
  const unlinked = await unlinkNode(people, { pubkey, accountId: call.human.account.id }, callerOf(call));
  if (!unlinked.ok) return refuse({ code: unlinked.error });
  await reloadNode(pubkey);
  return data({ pubkey });
};

const sessionView = (session: Session, currentId: string) => ({
  id: session.id,
  current: session.id === currentId,
  account: session.accountId,
  created_ms: session.createdMs,
  last_seen_ms: session.lastSeenMs,
  expires_ms: session.expiresMs,
  address: session.address,
  user_agent: session.userAgent,
});

const nodeView = ({ pubkey, name, status, lastSeenMs }: NodeRow) => ({
  pubkey,
  name,
  status,
  last_seen_ms: lastSeenMs,
});
