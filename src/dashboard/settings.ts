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
import { fieldText, fromField, MAX_SETTING_FORM_BYTES } from "./settings/typed.ts";
import { type SettingFault, settingsView, settingViews } from "./settings/view.ts";
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
    summary: "Changes a setting: `value` as text, or `reset`.",
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

type Wanted = { reset: true } | { reset: false; text: string };
/** A form's fields; of an undo, the address's. */
function wantedOf({ body, query }: SignedInCall): Wanted {
  const fields = query.has("value") || query.has("reset") ? query : new URLSearchParams(body());
  // A switch that is off sends nothing: the field before it says so.
  return fields.has("reset") ? { reset: true } : { reset: false, text: fields.getAll("value").at(-1) ?? "" };
}

async function change(deps: DashboardDeps, call: SignedInCall): Promise<Response> {
  const { admin } = deps;
  const key = call.params.key ?? "";
  const listed = await admin.listSettings({});
  const before = listed.ok ? listed.value.settings.find((row) => row.key === key) : undefined;
  if (!before) return notFound(deps, call, call.human, "setting");
  const wanted = wantedOf(call);
  const by = callerOf(call);
  const refused = (words: string) => {
    const text = wanted.reset ? fieldText(before, before.value) : wanted.text;
    return answerWith(deps, call, before, { key, text, words: sentence(words) }, null);
  };
  const read = wanted.reset ? null : fromField(before, wanted.text);
  if (read?.ok === false) return refused(read.error);
  const changed =
    read === null ? await admin.resetSetting({ key }, by) : await admin.changeSetting({ key, ...read.value }, by);
  if (!changed.ok) return refused(changed.error.message.replace(`${key}: `, ""));
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
  const back = before.kept ? `value=${encodeURIComponent(fieldText(before, before.kept.value))}` : "reset=1";
  const shown = settingText(after, after.value);
  const text = `${after.label}: ${shown.length > 60 ? "changed" : shown}`;
  return back.length > MAX_UNDO ? { text } : { text, undo: `${PATH}/${encodeURIComponent(after.key)}?${back}` };
}
