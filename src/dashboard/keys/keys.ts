// Keys: `/keys`, the API keys of the account that one acts for. The operations are those of the command line and the API.
import type { Fault } from "../../../web/parts/field.tsx";
import type { AdminError } from "../../admin/operations.ts";
import { statusOf } from "../../http/errors.ts";
import { ADMIN_CODES, ask } from "../../http/human/admin.ts";
import { bodyFields } from "../../http/human/answers.ts";
import { callerOf } from "../../http/human/deps.ts";
import { beyondRights } from "../../http/human/keys.ts";
import type { HttpRoute, SignedInCall } from "../../http/routes.ts";
import { addressOf } from "../address.ts";
import { doneAnswer, pageAnswer } from "../answer.ts";
import type { DashboardDeps } from "../deps.ts";
import { listPage } from "../paging.ts";
import { chatModels } from "../playground/asker.ts";
import { cursorsOf, hrefWith } from "../query.ts";
import { notFound, refusal } from "../refusal.ts";
import { viewerOf } from "../viewer.ts";
import { sentence } from "../words.ts";
import { keyInput } from "./form.ts";
import { filtered, isGood, keyFilter, keysOf, keyView } from "./view.ts";

/** Keys of one page. */
const PAGE = 50;

export function keyRoutes(deps: DashboardDeps): HttpRoute[] {
  const page = (path: string, summary: string, handle: (call: SignedInCall) => Promise<Response>) =>
    ({ method: "GET", path, tier: "human", access: "user", summary, answers: "text/html", handle }) as const;
  const act = (path: string, summary: string, handle: (call: SignedInCall) => Promise<Response>) =>
    ({
      method: "POST",
      path,
      tier: "human",
      access: "user",
      summary,
      answers: "text/html",
      handle: (call: SignedInCall) => (mayChange(call) ? handle(call) : notAnOwner(deps, call)),
    }) as const;
  return [
    page("/keys", "The account's API keys.", (call) => list(deps, call)),
    page("/keys/new", "The form for a new key.", (call) =>
      mayChange(call) ? form(deps, call, {}, null) : notAnOwner(deps, call),
    ),
    page("/keys/:id", "One key: its rights, its limits, what it spent.", (call) => one(deps, call)),
    act("/keys", "Makes a key; it is in this answer only.", (call) => create(deps, call)),
    act("/keys/:id/rotate", "Makes a key that takes over from this one; it is in this answer only.", (call) =>
      rotate(deps, call),
    ),
    act("/keys/:id/revoke", "Ends a key at once.", (call) => revoke(deps, call)),
  ];
}

/** Members of an organisation who are no owners look on. */
const mayChange = ({ human }: SignedInCall): boolean => human.memberRole === "owner";
const notAnOwner = (deps: DashboardDeps, call: SignedInCall): Promise<Response> =>
  refusal(deps, call, call.human, {
    status: 403,
    title: "Not yours to change",
    words: "Only an owner of the account makes, rotates and revokes its keys.",
    code: "not_owner",
  });
const around = (deps: DashboardDeps, call: SignedInCall) => ({
  viewer: viewerOf(deps, call),
  mayChange: mayChange(call),
  nowMs: deps.clock.nowMs(),
});

async function list(deps: DashboardDeps, call: SignedInCall): Promise<Response> {
  const [{ Keys }, all] = await Promise.all([import("../../../web/pages/keys/list.tsx"), keysOf(deps, call)]);
  const filter = keyFilter(call);
  const found = filtered(all, filter, deps.clock.nowMs());
  const { rows, ...cursors } = listPage(found, (key) => [-key.created_ms, key.id], cursorsOf(call), PAGE);
  const keys = await Promise.all(rows.map((key) => keyView(deps, key)));
  const pages = hrefWith(call, cursors);
  return pageAnswer(call.request, Keys({ ...around(deps, call), keys, filter, none: all.length === 0, ...pages }));
}

async function one(deps: DashboardDeps, call: SignedInCall): Promise<Response> {
  const [{ Key }, all] = await Promise.all([import("../../../web/pages/keys/key.tsx"), keysOf(deps, call)]);
  const found = all.find(({ id }) => id === call.params.id);
  if (!found) return notFound(deps, call, call.human, "key");
  return pageAnswer(call.request, Key({ ...around(deps, call), ...(await keyView(deps, found)) }));
}

type Fields = Readonly<Record<string, string>>;
const fieldsOf = (call: SignedInCall): Fields =>
  Object.fromEntries(
    Object.entries(bodyFields(call)).filter((pair): pair is [string, string] => typeof pair[1] === "string"),
  );

async function form(
  deps: DashboardDeps,
  call: SignedInCall,
  fields: Fields,
  fault: Fault | null,
  status = 422,
): Promise<Response> {
  const { NewKey } = await import("../../../web/pages/keys/new-key.tsx");
  const { roles } = call.human.user;
  const offers = {
    workers: roles.includes("operator") || roles.includes("admin"),
    pools: roles.includes("admin"),
  };
  const page = NewKey({ ...around(deps, call), ...offers, fields, fault });
  return pageAnswer(call.request, page, { status: fault === null ? 200 : status });
}

async function create(deps: DashboardDeps, call: SignedInCall): Promise<Response> {
  const fields = fieldsOf(call);
  const read = keyInput(fields);
  if (!read.ok) return form(deps, call, fields, read.error);
  const input = { ...read.value, account: call.human.account.id };
  const beyond = beyondRights(call, input);
  if (beyond) return form(deps, call, fields, { field: beyond.param, words: sentence(beyond.message) });
  const made = await ask(deps.admin, "createKey", input, callerOf(call));
  if (!made.ok) return form(deps, call, fields, faultOf(made.error), statusOf(ADMIN_CODES[made.error.code]));
  return shown(deps, call, made.value as { id: string; key: string }, null);
}

/** The operation's words begin with the field that they are about, where there is one. */
function faultOf({ message }: AdminError): Fault {
  const [, field = null, words = message] = /^([a-z_]+)(?:\.\d+)?: (.*)$/s.exec(message) ?? [];
  return { field, words: sentence(words) };
}

async function shown(
  deps: DashboardDeps,
  call: SignedInCall,
  { id, key }: { id: string; key: string },
  old: { endsMs: number } | null,
): Promise<Response> {
  const [{ KeyShown }, all] = await Promise.all([import("../../../web/pages/keys/shown.tsx"), keysOf(deps, call)]);
  const row = all.find((known) => known.id === id);
  const [model = "MODEL"] = chatModels(deps, row?.pools ?? []);
  const example = row?.role === "operator" ? null : { address: addressOf(deps, call.request), model };
  return pageAnswer(
    call.request,
    KeyShown({ ...around(deps, call), id, secret: key, name: row?.name ?? "", old, example }),
  );
}

/** Seconds for which the old key stays good, as the form offers them. */
const OVERLAPS_S = [0, 3_600, 86_400, 7 * 86_400];

async function rotate(deps: DashboardDeps, call: SignedInCall): Promise<Response> {
  const overlap = OVERLAPS_S.find((s) => `${s}` === fieldsOf(call).overlap_s);
  const input = { id: call.params.id ?? "", account: call.human.account.id };
  const all = await keysOf(deps, call);
  // By its whole id only: the operation takes how a key begins as well.
  if (!all.some((key) => key.id === input.id && isGood(key, deps.clock.nowMs()))) {
    return notFound(deps, call, call.human, "key");
  }
  const rotation = overlap === undefined ? input : { ...input, overlap_s: overlap };
  const rotated = await deps.admin.rotateKey(rotation, callerOf(call));
  if (!rotated.ok) return failed(deps, call, rotated.error);
  return shown(deps, call, rotated.value, { endsMs: rotated.value.old_expires_ms });
}

async function revoke(deps: DashboardDeps, call: SignedInCall): Promise<Response> {
  const all = await keysOf(deps, call);
  const found = all.find((key) => key.id === call.params.id);
  if (!found) return notFound(deps, call, call.human, "key");
  const input = { id: found.id, account: call.human.account.id };
  const revoked = await deps.admin.revokeKey(input, callerOf(call));
  if (!revoked.ok) return failed(deps, call, revoked.error);
  return doneAnswer(call.request, "/keys", { text: "Key revoked" });
}

const failed = (deps: DashboardDeps, call: SignedInCall, { code, message }: AdminError): Promise<Response> =>
  refusal(deps, call, call.human, {
    status: statusOf(ADMIN_CODES[code]),
    title: "That did not work",
    words: sentence(message),
    code,
  });
