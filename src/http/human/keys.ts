// Keys of the account that one acts for: `/api/v1/account/keys`. The operations are those of the command line, kept to
// this account. Members see an organisation's keys; its owners make, rotate and revoke them.
import { z } from "zod";
import { OPERATIONS } from "../../admin/operations.ts";
import { errorResponse } from "../errors.ts";
import type { HumanRoute, SignedInCall } from "../routes.ts";
import { adminAnswer, ask } from "./admin.ts";
import { bodyFields } from "./answers.ts";
import { callerOf, type HumanDeps } from "./deps.ts";

const BASE = "/api/v1/account/keys";
const anyFields = z.looseObject({});

export function keyRoutes({ admin }: Pick<HumanDeps, "admin">): HumanRoute[] {
  const post = (path: string, summary: string, body: z.ZodType, act: (call: SignedInCall) => Promise<Response>) =>
    ({
      method: "POST",
      path: BASE + path,
      tier: "human",
      access: "user",
      summary,
      body,
      handle: (call: SignedInCall) => (call.human.memberRole === "owner" ? act(call) : notAnOwner()),
    }) as const;
  return [
    {
      method: "GET",
      path: BASE,
      tier: "human",
      access: "user",
      summary: "The account's API keys, without the keys themselves.",
      handle: async ({ human }) => adminAnswer(await admin.listKeys({ account: human.account.id })),
    },
    post(
      "",
      "A new API key of the account; the key is in this answer only.",
      OPERATIONS.createKey.input,
      async (call) => {
        const input = fieldsOf(call);
        const beyond = beyondRights(call, input);
        if (beyond) return errorResponse("role_missing", beyond.message, { param: beyond.param });
        return adminAnswer(await ask(admin, "createKey", input, callerOf(call)));
      },
    ),
    post(
      "/:id/rotate",
      "A new key with the same rights; the old one ends after the overlap.",
      anyFields,
      async (call) => {
        return adminAnswer(await ask(admin, "rotateKey", { ...fieldsOf(call), ...call.params }, callerOf(call)));
      },
    ),
    post("/:id/revoke", "Ends a key of the account at once.", anyFields, async (call) => {
      const input = { id: call.params.id ?? "", account: call.human.account.id };
      return adminAnswer(await admin.revokeKey(input, callerOf(call)));
    }),
  ];
}

/** The body, for the account that one acts for and no other. */
function fieldsOf(call: SignedInCall): Record<string, unknown> {
  const { csrf_token: _, ...fields } = bodyFields(call);
  return { ...fields, account: call.human.account.id };
}

const notAnOwner = () => errorResponse("not_owner", "only an owner of the account may do this");

/** What of it they may not give: workers' keys are for operators; rights to private pools are given by admins. */
export function beyondRights(
  { human: { user } }: Pick<SignedInCall, "human">,
  { role, pools }: Record<string, unknown>,
): { param: "role" | "pools"; message: string } | undefined {
  if (user.roles.includes("admin")) return undefined;
  if (role === "operator" && !user.roles.includes("operator"))
    return { param: "role", message: "a key for workers takes the role operator" };
  if (Array.isArray(pools) ? pools.length > 0 : pools !== undefined)
    return { param: "pools", message: "an admin gives rights to private pools" };
  return undefined;
}
