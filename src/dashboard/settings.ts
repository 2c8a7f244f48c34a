// Settings: `/admin/settings`: what of the configuration may change while this runs, changed one by one; and the rest, to
// read.
import { Partial } from "../../web/parts/partial.tsx";
import { settingHref, settingId } from "../../web/parts/setting-id.ts";
import { settingText } from "../../web/parts/setting-text.ts";
import type { SettingRow } from "../admin/settings-operations.ts";
import { callerOf } from "../http/human/deps.ts";
import type { HttpRoute, SignedInCall } from "../http/routes.ts";
import { adminRoute } from "./admin-route.ts";
import { fragmentAnswer, isHtmx, pageAnswer, type Toast } from "./answer.ts";
import type { DashboardDeps } from "./deps.ts";
import { notFound } from "./refusal.ts";
import {
  fieldsBack,
  fieldText,
  fromForm,
  MAX_SETTING_FORM_BYTES,
  type SettingFault,
  type Typed,
  typedIn,
} from "./settings/typed.ts";
import { settingsView, settingViews } from "./settings/view.ts";
import { viewerOf } from "./viewer.ts";
import { sentence } from "./words.ts";

const PATH = "/admin/settings";
/** Characters of the way back: it travels in a header, and then in an address. */
const MAX_UNDO = 4_096;

export const settingsRoutes = (deps: DashboardDeps): HttpRoute[] => [
  adminRoute({
    path: PATH,
    summary: "What of the configuration may change while this runs, and the rest.",
    handle: (call) => page(deps, call, null, 200),
  }),
  adminRoute({
    method: "POST",
    path: `${PATH}/:key`,
    summary: "Changes a setting: `value` as text, rows of prices, or `reset`.",
    maxBodyBytes: MAX_SETTING_FORM_BYTES,
    handle: (call) => change(deps, call),
  }),
];

async function page(
  deps: DashboardDeps,
  call: SignedInCall,
  fault: SettingFault | null,
  status: number,
): Promise<Response> {
  const { Settings } = await import("../../web/pages/settings.tsx");
  const view = await settingsView(deps, fault);
  return pageAnswer(call.request, Settings({ viewer: viewerOf(deps, call), view }), { status });
}

/** A form's fields; of an undo, the address's. Null: a reset. */
function typedOf({ body, query }: SignedInCall, { kind }: SettingRow): Typed | null {
  const fields = query.size > 0 ? query : new URLSearchParams(body());
  return fields.has("reset") ? null : typedIn(kind, fields);
}

async function change(deps: DashboardDeps, call: SignedInCall): Promise<Response> {
  const { admin } = deps;
  const key = call.params.key ?? "";
  const listed = await admin.listSettings({});
  const before = listed.ok ? listed.value.settings.find((row) => row.key === key) : undefined;
  if (!before) return notFound(deps, call, call.human, "setting");
  const typed = typedOf(call, before);
  const by = callerOf(call);
  const refused = (fault: Pick<SettingFault, "words" | "faults">) => {
    const shown = typed ?? { text: fieldText(before, before.value), rows: null };
    return answerWith(deps, call, before, { key, typed: shown, ...fault }, null);
  };
  const read = typed && fromForm(before, typed);
  if (read?.ok === false) return refused(read.error);
  const changed = read ? await admin.changeSetting({ key, ...read.value }, by) : await admin.resetSetting({ key }, by);
  if (!changed.ok) return refused({ words: sentence(changed.error.message.replace(`${key}: `, "")), faults: [] });
  return answerWith(deps, call, changed.value, null, toastOf(before, changed.value));
}

/** To htmx the setting anew, to a plain form the page. */
async function answerWith(
  deps: DashboardDeps,
  call: SignedInCall,
  row: SettingRow,
  fault: SettingFault | null,
  toast: Toast | null,
): Promise<Response> {
  const { request } = call;
  if (!isHtmx(request)) {
    if (fault) return page(deps, call, fault, 422);
    return new Response(null, { status: 303, headers: { location: settingHref(row.key) } });
  }
  const { Setting } = await import("../../web/pages/settings.tsx");
  const [setting] = await settingViews(deps, [row], fault);
  if (!setting) throw new Error(`no view of ${row.key}`);
  const part = Partial({
    target: `#${settingId(row.key)}`,
    swap: "outerHTML",
    children: Setting({ setting, csrf: call.human.csrf, nowMs: deps.clock.nowMs(), billing: deps.billing }),
  });
  return fragmentAnswer(request, part, { status: fault ? 422 : 200, ...(toast ? { toast } : {}) });
}

function toastOf(before: SettingRow, after: SettingRow): Toast {
  if (JSON.stringify(before.kept) === JSON.stringify(after.kept)) return { text: `${after.label}: as it was` };
  const back = before.kept ? String(fieldsBack(before, before.kept.value, after.value)) : "reset=1";
  const shown = settingText(after, after.value);
  const text = `${after.label}: ${shown.length > 60 ? "changed" : shown}`;
  return back.length > MAX_UNDO ? { text } : { text, undo: `${PATH}/${encodeURIComponent(after.key)}?${back}` };
}
