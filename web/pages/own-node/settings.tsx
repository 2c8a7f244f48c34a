// Settings: what the node's operator changes while it runs, by what one wants to do.
import type { NodeSetting, NodeView } from "../../../src/dashboard/node/view.ts";
import type { Markup } from "../../parts/markup.ts";
import { Card, Csrf } from "../../parts/parts.tsx";
import { isGroup, isWide, SettingControl } from "../../parts/setting-field.tsx";
import { settingId } from "../../parts/setting-id.ts";
import { boundsText, PRICES_RULE, settingText } from "../../parts/setting-text.ts";

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
      <details id={id} class="body" open={at < OPEN || rows.some(({ fault }) => fault !== null)}>
        <summary>
          <b>{title}</b> <span class="note">{about}</span>
        </summary>
        <ul class="settings">
          {rows.map((setting) => (
            <Setting setting={setting} csrf={csrf} />
          ))}
        </ul>
      </details>
    ))}
  </Card>
);
/** Groups of what is changed often. */
const OPEN = 2;

export function Setting({ setting, csrf }: { setting: NodeSetting; csrf: string }): Markup {
  const { key, label, why, fixedBy } = setting;
  const [form, field] = [settingId(key), `f-${key.replace(".", "-")}`];
  const range = rangeOf(setting);
  return (
    <li id={form}>
      <form
        class={isWide(setting) ? "wide" : undefined}
        method="post"
        action="/settings"
        hx-post="/settings"
        hx-swap="none"
      >
        <Csrf token={csrf} />
        <input type="hidden" name="key" value={key} />
        <div class="what">
          {isGroup(setting) ? <b>{label}</b> : <label for={field}>{label}</label>}
          <p class="note" id={`${form}-why`}>
            {why}
          </p>
        </div>
        <div class="how">
          <SettingControl
            id={form}
            fieldId={field}
            of={{ ...setting, ...setting.field }}
            describedBy={`${form}-why ${form}-range`}
            fault={setting.fault}
          />
          <p class="note" id={`${form}-range`}>
            {range !== null && `${range} `}
            {fixedBy === null ? `Default: ${settingText(setting, setting.default)}.` : `Fixed by ${fixedBy}.`}
          </p>
        </div>
      </form>
    </li>
  );
}

/** What may be typed; of what is chosen or switched nothing. */
function rangeOf(setting: NodeSetting): string | null {
  const { kind, allowed } = setting;
  if (kind === "prices") return PRICES_RULE;
  return kind === "boolean" || isGroup(setting) ? null : `${boundsText(setting) ?? allowed}.`;
}
