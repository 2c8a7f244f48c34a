// Join tokens: `/my/join-tokens`, whose nodes will belong to the account that one acts for, and all of them for admins.
import { z } from "zod";
import type { MadeToken, TokenLine, TokensProps } from "../../../web/pages/node/join-tokens.tsx";
import { accountName } from "../../../web/parts/text.tsx";
import { joinTokenRow } from "../../admin/join-tokens.ts";
import { listed } from "../../admin/listing.ts";
import type { AdminError } from "../../admin/operations.ts";
import { NODE_ROLES } from "../../admin/operations.ts";
import { bodyFields } from "../../http/human/answers.ts";
import { callerOf } from "../../http/human/deps.ts";
import type { HttpRoute, SignedInCall } from "../../http/routes.ts";
import { listJoinTokens } from "../../registry/join-tokens.ts";
import { nodeNames } from "../../registry/nodes.ts";
import { pageAnswer } from "../answer.ts";
import type { DashboardDeps } from "../deps.ts";
import { viewerOf } from "../viewer.ts";
import { sentence } from "../words.ts";
import { donePage, notDone, notOwner } from "./answers.ts";
import { besides, cursorIn } from "./lines.ts";
import { mayMakeTokens } from "./rights.ts";

const PAGE = 25;
const formSchema = z.object({
  name: z.string().trim().max(128).default(""),
  role: z.enum(NODE_ROLES).default("provider"),
  /** Seconds. */
  expires: z.coerce.number().int().min(60).max(2_592_000).default(86_400),
});

/** `all`: every token there is, which admins see; else the account's. */
type Place = { path: string; all: boolean };
const MINE: Place = { path: "/my/join-tokens", all: false };
const ALL: Place = { path: "/admin/nodes/tokens", all: true };

export const joinTokenRoutes = (deps: DashboardDeps): HttpRoute[] =>
  [MINE, ALL].flatMap((place) => routesAt(deps, place));

function routesAt(deps: DashboardDeps, place: Place): HttpRoute[] {
  const { path, all } = place;
  const shared = {
    tier: "human",
    access: "user",
    answers: "text/html",
    ...(all ? { role: "admin" as const } : {}),
  } as const;
  const acts = (act: (call: SignedInCall) => Promise<Response>) => (call: SignedInCall) =>
    all || mayMakeTokens(call.human) ? act(call) : notOwner(deps, call);
  return [
    {
      ...shared,
      method: "GET",
      path,
      summary: all ? "All join tokens." : "The join tokens of one's account.",
      handle: (call: SignedInCall) => page(deps, call, place),
    },
    {
      ...shared,
      method: "POST",
      path,
      summary: "Makes a join token; it is in this answer only.",
      handle: acts((call) => create(deps, call, place)),
    },
    {
      ...shared,
      method: "POST",
      path: `${path}/:id/revoke`,
      summary: "Ends a join token before it is used.",
      handle: acts(async (call) => {
        const input = { id: call.params.id ?? "", ...(all ? {} : { account: call.human.account.id }) };
        const revoked = await deps.admin.revokeJoinToken(input, callerOf(call));
        return revoked.ok ? donePage(call, path, { text: "Join token revoked" }) : notDone(deps, call, revoked.error);
      }),
    },
  ];
}

async function create(deps: DashboardDeps, call: SignedInCall, place: Place): Promise<Response> {
  const form = formSchema.safeParse(bodyFields(call));
  const fault = (error: AdminError) => page(deps, call, place, null, error);
  if (!form.success) return fault({ code: "invalid", message: "its name may have 128 characters" });
  const { name, role, expires } = form.data;
  const made = await deps.admin.createJoinToken(
    {
      ...{ role, expires_in_s: expires },
      ...(name === "" ? {} : { name }),
      ...(place.all ? {} : { account: call.human.account.id }),
    },
    callerOf(call),
  );
  if (!made.ok) return fault(made.error);
  const { id, token, url, expires_ms } = made.value;
  return page(deps, call, place, { id, token, url, role, expiresMs: expires_ms }, null);
}

async function page(
  deps: DashboardDeps,
  call: SignedInCall,
  { path, all }: Place,
  made: MadeToken | null = null,
  error: AdminError | null = null,
): Promise<Response> {
  const { JoinTokens } = await import("../../../web/pages/node/join-tokens.tsx");
  const { human } = call;
  const part = listed({ cursor: cursorIn(call), limit: PAGE }, (span) =>
    listJoinTokens(deps, { ...span, ...(all ? {} : { accountId: human.account.id }) }),
  );
  const { rows, ...cursors } = await part;
  const nowMs = deps.clock.nowMs();
  const names = await nodeNames(
    deps,
    rows.flatMap(({ usedBy }) => usedBy ?? []),
  );
  const lines = rows.map((row): TokenLine => {
    const token = joinTokenRow(row, nowMs);
    const node = token.used_by === null ? null : { pubkey: token.used_by, name: names.get(token.used_by) ?? null };
    return { ...token, node };
  });
  const props: TokensProps = {
    ...{ viewer: viewerOf(deps, call), path, all, made, rows: lines, nowMs, ...besides(call, cursors) },
    account: accountName(human.account),
    mayMake: all || mayMakeTokens(human),
    fault: error && sentence(error.message),
    fields: error ? fieldsOf(call) : {},
  };
  return pageAnswer(call.request, JoinTokens(props), { status: error === null ? 200 : 422 });
}

const fieldsOf = (call: SignedInCall): Record<string, string> =>
  Object.fromEntries(
    Object.entries(bodyFields(call)).flatMap(([name, value]) => (typeof value === "string" ? [[name, value]] : [])),
  );
