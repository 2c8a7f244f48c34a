// Organisations: `/api/v1/organisations/*`: accounts that several people act for.
import { z } from "zod";
import { emailSchema } from "../../accounts/emails.ts";
import { createInvitation, listInvitations, revokeInvitation } from "../../accounts/invitations.ts";
import { nameSchema } from "../../accounts/names.ts";
import {
  createOrganisation,
  listAccounts,
  listMembers,
  memberRole,
  renameOrganisation,
  setMember,
} from "../../accounts/organisations.ts";
import { MEMBER_ROLES } from "../../accounts/roles.ts";
import { invitationView } from "../../admin/users.ts";
import type { HumanRoute, SignedInCall } from "../routes.ts";
import { bodyOf, data } from "./answers.ts";
import { callerOf, type HumanDeps } from "./deps.ts";
import { refuse } from "./refuse.ts";

const BASE = "/api/v1/organisations";
const DAY_S = 86_400;
const namedSchema = z.object({ name: nameSchema });
const memberSchema = z.object({ user: z.string().max(64), role: z.enum(MEMBER_ROLES) });
const removeSchema = z.object({ user: z.string().max(64) });
const inviteSchema = z.object({
  /** Where given, it is for this address only. */
  email: emailSchema.optional(),
  expires_in_s: z.coerce
    .number()
    .int()
    .min(60)
    .max(30 * DAY_S)
    .default(7 * DAY_S),
});

type Handle = (deps: HumanDeps, call: SignedInCall, accountId: string) => Promise<Response>;
/** `anybody`: any user. `member`: of this organisation. `owner`: who may change it. */
type Who = "anybody" | "member" | "owner";

export function organisationRoutes(deps: HumanDeps): HumanRoute[] {
  const route = (
    method: "GET" | "POST",
    path: string,
    who: Who,
    summary: string,
    handle: Handle,
    body?: z.ZodType,
  ): HumanRoute => ({
    method,
    path: BASE + path,
    tier: "human",
    access: "user",
    summary,
    ...(body ? { body } : {}),
    async handle(call) {
      const accountId = call.params.id ?? "";
      if (who === "anybody") return await handle(deps, call, accountId);
      const role = await memberRole(deps.people.db.read, accountId, call.human.user.id);
      if (role === null) return refuse({ code: "organisation_unknown" });
      if (who === "owner" && role !== "owner") return refuse({ code: "not_owner" });
      return await handle(deps, call, accountId);
    },
  });
  return [
    route("GET", "", "anybody", "The organisations that one is in.", list),
    route("POST", "", "anybody", "A new organisation; whoever makes it owns it.", create, namedSchema),
    route("POST", "/:id/name", "owner", "Changes what it is called.", rename, namedSchema),
    route("GET", "/:id/members", "member", "Who is in it.", members),
    route("POST", "/:id/members", "owner", "Makes a member an owner, or an owner a member.", change, memberSchema),
    route("POST", "/:id/members/remove", "owner", "Takes a member out.", remove, removeSchema),
    route("POST", "/:id/leave", "member", "Leaves it.", leave),
    route("GET", "/:id/invitations", "owner", "Invitations to it.", invitations),
    route("POST", "/:id/invitations", "owner", "A single-use link that lets one person join.", invite, inviteSchema),
    route("POST", "/:id/invitations/:invitation/revoke", "owner", "Ends one before it is used.", revoke),
  ];
}

const list: Handle = async ({ people }, { human }) => {
  const accounts = await listAccounts(people, human.user.id);
  return data({ organisations: accounts.filter(({ kind }) => kind !== "user") });
};

const create: Handle = async ({ people }, call) => {
  const body = bodyOf(call, namedSchema);
  if (!body.ok) return body.error;
  const wanted = { userId: call.human.user.id, name: body.value.name };
  const made = await createOrganisation(people, wanted, callerOf(call));
  return made.ok ? data(made.value) : refuse({ code: made.error });
};

const rename: Handle = async ({ people }, call, accountId) => {
  const body = bodyOf(call, namedSchema);
  if (!body.ok) return body.error;
  const { name } = body.value;
  const renamed = await renameOrganisation(people, { accountId, name }, callerOf(call));
  return renamed.ok ? data({ id: accountId, name }) : refuse({ code: renamed.error });
};

const members: Handle = async ({ people }, _, accountId) => {
  const rows = await listMembers(people, accountId);
  return data({
    members: rows.map(({ userId, email, name, role, createdMs }) => ({
      user: userId,
      email,
      name,
      role,
      created_ms: createdMs,
    })),
  });
};

const change: Handle = async ({ people }, call, accountId) => {
  const body = bodyOf(call, memberSchema);
  if (!body.ok) return body.error;
  const { user: userId, role } = body.value;
  const changed = await setMember(people, { accountId, userId, role }, callerOf(call));
  return changed.ok ? data(body.value) : refuse({ code: changed.error });
};

const remove: Handle = async (deps, call, accountId) => {
  const body = bodyOf(call, removeSchema);
  return body.ok ? await takeOut(deps, call, accountId, body.value.user) : body.error;
};

const leave: Handle = (deps, call, accountId) => takeOut(deps, call, accountId, call.human.user.id);

async function takeOut(
  { people }: HumanDeps,
  call: SignedInCall,
  accountId: string,
  userId: string,
): Promise<Response> {
  const taken = await setMember(people, { accountId, userId, role: null }, callerOf(call));
  return taken.ok ? data({ user: userId }) : refuse({ code: taken.error });
}

const invitations: Handle = async ({ people }, _, accountId) => {
  const rows = await listInvitations(people, { accountId });
  return data({ invitations: rows.map((row) => invitationView(row, people.clock.nowMs())) });
};

const invite: Handle = async ({ people }, call, accountId) => {
  const body = bodyOf(call, inviteSchema);
  if (!body.ok) return body.error;
  const { email, expires_in_s } = body.value;
  const wanted = { roles: null, accountId, email, ttlMs: expires_in_s * 1000 };
  const made = await createInvitation(people, wanted, callerOf(call));
  if (!made.ok) return refuse({ code: made.error });
  const { link, invitation } = made.value;
  return data({ id: invitation.id, link, expires_ms: invitation.expiresMs });
};

const revoke: Handle = async ({ people }, call, accountId) => {
  const id = call.params.invitation ?? "";
  const revoked = await revokeInvitation(people, { id, accountId }, callerOf(call));
  return revoked.ok ? data({ id }) : refuse({ code: revoked.error });
};
