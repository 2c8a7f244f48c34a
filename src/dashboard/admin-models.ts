// Admin models: `/admin/models`: every model, aliases (the setting of that name), pools, and the bounds of prices.
import { Partial } from "../../web/parts/partial.tsx";
import type { SettingRow } from "../admin/settings-operations.ts";
import { callerOf } from "../http/human/deps.ts";
import type { HttpRoute, SignedInCall } from "../http/routes.ts";
import { once } from "../lib/once.ts";
import { type Aliases, type AliasFault, aliasesIn, aliasIn, withAlias, withoutAlias } from "./admin-models/aliases.ts";
import { type AdminModelsView, aliasRows, keysByPool, modelRows, poolRows, refusedRows } from "./admin-models/view.ts";
import { adminRoute } from "./admin-route.ts";
import { fragmentAnswer, isHtmx, pageAnswer, type Toast } from "./answer.ts";
import type { DashboardDeps } from "./deps.ts";
import { listPage } from "./paging.ts";
import { cursorsOf, hrefWith } from "./query.ts";
import { notFound } from "./refusal.ts";
import { viewerOf } from "./viewer.ts";
import { sentence } from "./words.ts";

const PATH = "/admin/models";
const ALIASES = `${PATH}/aliases`;
const PAGE = 50;
const ROWS_MS = 1_000;
/** Of thousands of nodes: nobody waits for what was true seconds ago. */
const KEPT = { staleMs: 4_000 };
const KEYS_MS = 30_000;
const MAX_QUERY = 128;
const PRICE_KEYS = ["input_min", "input_max", "output_min", "output_max"].map((name) => `coordinator.price_${name}`);

export function adminModelRoutes(deps: DashboardDeps): HttpRoute[] {
  const { registry, stats, clock, db } = deps;
  const keys = once(clock, KEYS_MS, () => keysByPool(db, clock.nowMs()));
  const seen: Seen = {
    rows: once(clock, ROWS_MS, () => modelRows(registry, stats.now().models, clock.nowMs()), KEPT),
    pools: once(clock, ROWS_MS, async () => await poolRows(registry, await keys()), KEPT),
  };
  return [
    adminRoute({
      path: PATH,
      summary: "Every model, aliases, pools, and the bounds of prices.",
      handle: (call) => page(deps, seen, call, null),
    }),
    adminRoute({
      method: "POST",
      path: ALIASES,
      summary: "Makes or changes an alias: `name`, `models` (one a line), `former`.",
      handle: (call) => saveAlias(deps, seen, call),
    }),
    adminRoute({
      method: "POST",
      path: `${ALIASES}/delete`,
      summary: "Takes an alias away: `name`.",
      handle: (call) => deleteAlias(deps, seen, call),
    }),
  ];
}

/** What is computed once for all who ask. */
type Seen = { rows: () => ReturnType<typeof modelRows>; pools: () => ReturnType<typeof poolRows> };

async function viewOf(
  deps: DashboardDeps,
  seen: Seen,
  call: SignedInCall,
  fault: AliasFault | null,
): Promise<AdminModelsView> {
  const { registry } = deps;
  const q = (call.query.get("q") ?? "").slice(0, MAX_QUERY).trim();
  const [all, pools, listed] = await Promise.all([seen.rows(), seen.pools(), settingsOf(deps)]);
  const part = q.toLowerCase();
  const fitting = part === "" ? all : all.filter(({ name }) => name.toLowerCase().includes(part));
  const shown = listPage(fitting, ({ name }) => [0, name], cursorsOf(call), PAGE);
  const aliases = listed.find(({ key }) => key === "aliases");
  return {
    rows: shown.rows,
    ...hrefWith(call, shown),
    ...{ total: all.length, q, fault },
    aliases: aliasRows(registry),
    fixedBy: aliases?.fixed ? aliases.source.where : null,
    pools,
    prices: PRICE_KEYS.map((key) => ({ key, value: Number(listed.find((row) => row.key === key)?.value ?? 0) })),
    ...refusedRows(registry),
    charged: deps.billing !== "off",
  };
}

async function settingsOf({ admin }: Pick<DashboardDeps, "admin">): Promise<readonly SettingRow[]> {
  const listed = await admin.listSettings({});
  if (!listed.ok) throw new Error(listed.error.message);
  return listed.value.settings;
}

async function page(deps: DashboardDeps, seen: Seen, call: SignedInCall, fault: AliasFault | null): Promise<Response> {
  const { AdminModels } = await import("../../web/pages/admin-models.tsx");
  const view = await viewOf(deps, seen, call, fault);
  return pageAnswer(call.request, AdminModels({ viewer: viewerOf(deps, call), view }), { status: fault ? 422 : 200 });
}

/** A form's fields; of an undo, the address's. */
const fieldsOf = ({ body, query }: SignedInCall): URLSearchParams =>
  query.has("name") ? query : new URLSearchParams(body());

async function saveAlias(deps: DashboardDeps, seen: Seen, call: SignedInCall): Promise<Response> {
  const fields = fieldsOf(call);
  const [name, models, former] = [fields.get("name") ?? "", fields.get("models") ?? "", fields.get("former")];
  const wrong = (words: string) => answerWith(deps, seen, call, { of: former, name, models, words }, null);
  const alias = aliasIn(name, models);
  if (!alias.ok) return wrong(alias.error);
  const before = await aliasesNow(deps);
  const taken = former !== alias.value.name && Object.hasOwn(before, alias.value.name);
  if (taken) return wrong("There is an alias of this name: change that one.");
  const value = withAlias(before, former, alias.value.name, alias.value.models);
  const changed = await deps.admin.changeSetting({ key: "aliases", value: asJson(value) }, callerOf(call));
  if (!changed.ok) return wrong(sentence(changed.error.message));
  const undo =
    former !== null && former === alias.value.name && Object.hasOwn(before, former)
      ? `${ALIASES}?${new URLSearchParams({ name: former, models: (before[former] ?? []).join("\n"), former })}`
      : `${ALIASES}/delete?${new URLSearchParams({ name: alias.value.name })}`;
  const isNew = former === null;
  const text = `${alias.value.name} stands for ${alias.value.models[0]}${alias.value.models.length > 1 ? " first" : ""}`;
  return answerWith(deps, seen, call, null, { text, ...(isNew || former === alias.value.name ? { undo } : {}) });
}

async function deleteAlias(deps: DashboardDeps, seen: Seen, call: SignedInCall): Promise<Response> {
  const name = fieldsOf(call).get("name") ?? "";
  const before = await aliasesNow(deps);
  if (!Object.hasOwn(before, name)) return notFound(deps, call, call.human, "alias");
  const models = before[name] ?? [];
  const value = asJson(withoutAlias(before, name));
  const changed = await deps.admin.changeSetting({ key: "aliases", value }, callerOf(call));
  if (!changed.ok) {
    const fault = { of: name, name, models: models.join("\n"), words: sentence(changed.error.message) };
    return answerWith(deps, seen, call, fault, null);
  }
  const undo = `${ALIASES}?${new URLSearchParams({ name, models: models.join("\n") })}`;
  return answerWith(deps, seen, call, null, { text: `${name} stands for nothing any more`, undo });
}

const asJson = (aliases: Aliases) => Object.fromEntries(Object.entries(aliases).map(([name, all]) => [name, [...all]]));

async function aliasesNow(deps: DashboardDeps): Promise<Aliases> {
  const row = (await settingsOf(deps)).find(({ key }) => key === "aliases");
  return row ? aliasesIn(row) : {};
}

/** To htmx the aliases anew, to a plain form the page. */
async function answerWith(
  deps: DashboardDeps,
  seen: Seen,
  call: SignedInCall,
  fault: AliasFault | null,
  toast: Toast | null,
): Promise<Response> {
  const { request } = call;
  if (!isHtmx(request)) {
    if (fault) return page(deps, seen, call, fault);
    return new Response(null, { status: 303, headers: { location: `${PATH}#aliases-card` } });
  }
  const { AliasesCard } = await import("../../web/pages/admin-models.tsx");
  const view = await viewOf(deps, seen, call, fault);
  const card = AliasesCard({ view, csrf: call.human.csrf });
  const part = Partial({ target: "#aliases-card", swap: "outerHTML", children: card });
  return fragmentAnswer(request, part, { status: fault ? 422 : 200, ...(toast ? { toast } : {}) });
}
