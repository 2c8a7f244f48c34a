// What admins ask about people: `/api/v1/admin/*`. Each is an operation of admin, the same that the commands call, with
// the user as whoever asks.
import type { Caller } from "../../accounts/caller.ts";
import type { Admin, AdminError, AdminErrorCode, OperationName } from "../../admin/operations.ts";
import { USER_OPERATIONS } from "../../admin/user-operations.ts";
import type { Result } from "../../lib/result.ts";
import { type ErrorCode, errorResponse } from "../errors.ts";
import type { HumanRoute } from "../routes.ts";
import { bodyFields, data } from "./answers.ts";
import { callerOf, type HumanDeps } from "./deps.ts";

/** The set-up link is for the time in which there is no admin yet. */
type Name = Exclude<keyof typeof USER_OPERATIONS, "createSetupLink">;
const SUMMARIES: Record<Name, string> = {
  listUsers: "Users, the newest first; all of them where no `limit` is given.",
  showUser: "A user, the accounts they may act for, and where they are signed in.",
  endSessions: "Ends a user's sessions, or one of them.",
  createUser: "A new user, and the link for them to set a password with.",
  resetPassword: "A link for a user to set a new password with.",
  setUserRoles: "Gives a user these roles and no others; their sessions end.",
  setUserDisabled: "Shuts a user out, or lets them in again.",
  createInvitation: "A single-use link that lets one person sign up.",
  listInvitations: "Invitations, the newest first; all of them where no `limit` is given.",
  revokeInvitation: "Ends an invitation before it is used.",
  listOrganisations: "Organisations, the newest first; all of them where no `limit` is given.",
  listMembers: "Who is in an organisation.",
  setMember: "Makes a member an owner, or an owner a member; null takes them out.",
};
/** How what operations refuse is told over HTTP. */
export const ADMIN_CODES: Record<AdminErrorCode, ErrorCode> = {
  invalid: "invalid_value",
  not_found: "not_found",
  conflict: "conflict",
  not_available: "not_available",
  storage_failed: "storage_failed",
};

export function adminRoutes({ admin }: Pick<HumanDeps, "admin">): HumanRoute[] {
  return (Object.keys(SUMMARIES) as Name[]).map((name) => {
    const { method, path, input } = USER_OPERATIONS[name];
    return {
      method,
      path: `/api/v1/admin${path}`,
      tier: "human",
      access: "user",
      role: "admin",
      summary: SUMMARIES[name],
      ...(method === "POST" ? { body: input } : {}),
      async handle(call) {
        const { csrf_token: _, ...fields } = bodyFields(call);
        const input = { ...Object.fromEntries(call.query), ...fields, ...call.params };
        return adminAnswer(await ask(admin, name, input, callerOf(call)));
      },
    };
  });
}

type Answer = Promise<Result<object, AdminError>>;
/** The operation itself checks its input. */
export const ask = (admin: Admin, name: OperationName, input: object, by: Caller): Answer =>
  (admin[name] as (input: object, by: Caller) => Answer)(input, by);

/** What an operation answers, over HTTP. */
export const adminAnswer = (result: Result<object, AdminError>): Response =>
  result.ok ? data(result.value) : errorResponse(ADMIN_CODES[result.error.code], result.error.message);
