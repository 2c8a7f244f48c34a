// Settings: what the node's operator changes while it runs, by what one wants to do.
import type { NodeSetting, NodeView } from "../../../src/dashboard/node/view.ts";
import type { Markup } from "../../parts/markup.ts";
import { Card, Csrf } from "../../parts/parts.tsx";
import { SettingField } from "../../parts/setting-field.tsx";
import { settingId } from "../../parts/setting-id.ts";
import { boundsText, settingText } from "../../parts/setting-text.ts";

type Props = { view: Pick<NodeView, "settings">; csrf: string };

export const Settings = ({ view: { settings }, csrf }: Props): Markup => (
  <Card
    id="settings"
    title="Settings"
    footer={
      <p class="note">
        Counts at once, and over restarts. The rest is in <code>config.toml</code>.
      </p>
    }
  >
    {settings.map(({ id, title, about, rows }, at) => (
      <details id={id} class="body" open={at < OPEN}>
        <summary>
          <b>{title}</b> <span class="note">{about}</span>
        </summary>
        <ul class="settings">
          {rows.map((setting) => (
            <One setting={setting} csrf={csrf} />
          ))}
        </ul>
      </details>
    ))}
  </Card>
);
/** Groups of what is changed often. */
const OPEN = 2;

function One({ setting, csrf }: { setting: NodeSetting; csrf: string }): Markup {
  const { key, label, why, allowed, kind, fixedBy } = setting;
  const [form, field] = [settingId(key), `f-${key.replace(".", "-")}`];
  const bounds = boundsText(setting) ?? (kind === "boolean" ? null : allowed);
  return (
    <li id={form}>
      <form method="post" action="/settings" hx-post="/settings">
        <Csrf token={csrf} />
        <input type="hidden" name="key" value={key} />
        <div class="what">
          <label for={field}>{label}</label>
          <p class="note" id={`${form}-why`}>
            {why}
          </p>
        </div>
        <div class="how">
          <div class="row">
            <SettingField id={field} of={setting} describedBy={`${form}-why ${form}-range`} />
            {fixedBy === null && (
              <button type="submit" aria-label={`Save ${label}`}>
                Save
              </button>
            )}
          </div>
          <p class="note" id={`${form}-range`}>
            {bounds !== null && `${bounds}. `}
            {fixedBy === null ? `Default: ${settingText(setting, setting.default)}.` : `Fixed by ${fixedBy}.`}
          </p>
        </div>
      </form>
    </li>
  );
}
