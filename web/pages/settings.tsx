// Settings: what may change while the coordinator runs, one form each, by what one wants to do; and what is read at the
// start.
import type { SettingsView, SettingView } from "../../src/dashboard/settings/view.ts";
import { PRICES_SCRIPT } from "../parts/assets.ts";
import type { Markup } from "../parts/markup.ts";
import { Body, Card, Csrf, Table, Tag, Th } from "../parts/parts.tsx";
import { isGroup, isWide, SettingControl } from "../parts/setting-field.tsx";
import { settingId } from "../parts/setting-id.ts";
import { boundsText, PRICES_RULE, settingText } from "../parts/setting-text.ts";
import { Head, Shell, type Viewer } from "../parts/shell.tsx";
import { ago, Name, NONE, number } from "../parts/text.tsx";

/** Tables of config.toml as people call them. */
const TITLES: Readonly<Record<string, string>> = {
  "": "Instance",
  server: "Server",
  database: "Database",
  coordinator: "Coordinator",
  node: "This machine's node",
  engine: "Embedded engine",
  scheduler: "Scheduler",
  privacy: "Privacy",
  webhooks: "Webhooks",
  accounts: "Accounts",
  dashboard: "Dashboard",
  billing: "Billing",
  solana: "Solana",
  payouts: "Payouts",
  stake: "Stake",
  oracle: "Oracle",
  update: "Updates",
  log: "Log",
};
const titleOf = (section: string): string => TITLES[section] ?? section;

export const Settings = ({ viewer, view }: { viewer: Viewer; view: SettingsView }): Markup => {
  const csrf = viewer.human?.csrf ?? "";
  return (
    <Shell viewer={viewer} title="Settings" scripts={[PRICES_SCRIPT]}>
      <Head
        title="Settings"
        note="Kept in the database, in effect at once, above config.toml and below flags and the environment."
      />
      <nav class="jumps" aria-label="Sections">
        {view.live.map(({ id, title }) => (
          <a href={`#${id}-card`}>{title}</a>
        ))}
        <a href="/admin/models">Models and aliases</a>
        <a href="#start-card">Read at the start</a>
      </nav>
      {view.live.map(({ id, title, about, rows }) => (
        <Card id={id} title={title}>
          <p class="note about">{about}</p>
          <ul class="settings">
            {rows.map((setting) => (
              <Setting setting={setting} csrf={csrf} nowMs={view.nowMs} billing={view.billing} />
            ))}
          </ul>
        </Card>
      ))}
      <Start sections={view.fixed} />
    </Shell>
  );
};

type SettingProps = { setting: SettingView; csrf: string; nowMs: number; billing: SettingsView["billing"] };
export function Setting({ setting, csrf, nowMs, billing }: SettingProps): Markup {
  const { key, label, why, fault, fixed, kept } = setting;
  const id = settingId(key);
  const to = `/admin/settings/${encodeURIComponent(key)}`;
  const confirm = CAREFUL[`${key}=${String(setting.value)}`];
  const idle = billing !== "solana" && key.startsWith("payouts.");
  return (
    <li id={id}>
      <form
        class={isWide(setting) ? "wide" : undefined}
        method="post"
        action={to}
        hx-post={to}
        hx-swap="none"
        hx-confirm={confirm?.title}
        data-what={confirm?.what}
        data-act={confirm?.act}
      >
        <Csrf token={csrf} />
        <div class="what">
          {isGroup(setting) ? <b>{label}</b> : <label for={`${id}-field`}>{label}</label>}
          <p class="note" id={`${id}-why`}>
            {why} <code>{key}</code>
          </p>
          {idle && <p class="note">It counts with billing.mode = "solana".</p>}
        </div>
        <div class="how">
          <SettingControl
            id={id}
            fieldId={`${id}-field`}
            of={{ ...setting, ...setting.field }}
            describedBy={`${id}-why ${id}-origin`}
            fault={fault}
          />
          <p class="note">
            <span id={`${id}-origin`}>
              <Range setting={setting} /> <Origin setting={setting} nowMs={nowMs} />
            </span>
            {kept && !fixed && (
              <button type="submit" class="plain" id={`${id}-reset`} name="reset" value="1" formnovalidate>
                Reset<span class="hidden"> {label}</span>
              </button>
            )}
          </p>
        </div>
      </form>
    </li>
  );
}

/** Asked first: what opens the door, by key and the value that is about to go. */
const CAREFUL: Readonly<Record<string, { title: string; what: string; act: string }>> = {
  "coordinator.require_api_key=true": {
    title: "Let clients in without a key?",
    what: "Whoever reaches this instance's port may use every public model, and quotas no longer hold.",
    act: "Change it",
  },
};

/** What may be typed: bounds, or the shape of what is no figure. */
function Range({ setting }: { setting: SettingView }): Markup {
  const { kind, allowed, fixed } = setting;
  if (fixed || kind === "boolean" || (kind !== "prices" && isGroup(setting))) return <></>;
  if (kind === "prices") return <>{PRICES_RULE}</>;
  return <>{boundsText(setting) ?? (kind === "list" ? `One a line: ${allowed}` : allowed)}.</>;
}

/** Where the value comes from, and what it would be without. */
function Origin({ setting, nowMs }: { setting: SettingView; nowMs: number }): Markup {
  const { fixed, source, kept, changedBy } = setting;
  if (fixed) {
    return (
      <>
        <Tag>fixed</Tag> <code>{source.where}</code> says what it is; change it there and start again.
      </>
    );
  }
  if (kept) {
    return (
      <>
        <Tag>changed</Tag> by <Name of={changedBy ?? ""} max={32} /> {ago(nowMs - kept.changed_ms)}; without it{" "}
        {settingText(setting, setting.beneath)}.{" "}
      </>
    );
  }
  const byDefault = settingText(setting, setting.default);
  if (source.from === "default") return <>Default: {byDefault}.</>;
  return (
    <>
      <Tag>config.toml</Tag> Default: {byDefault}.
    </>
  );
}

const Start = ({ sections }: { sections: SettingsView["fixed"] }): Markup => (
  <Card id="start" title="Read at the start">
    <Body>
      <p class="note">
        These change in config.toml, in the environment or by a flag, and count from the next start on. Secrets are not
        shown.
      </p>
      {sections.map(({ section, rows }) => (
        <details>
          <summary>
            {titleOf(section)} ({number(rows.length)})
          </summary>
          <Table
            name={`${titleOf(section)}, read at the start`}
            head={
              <>
                <Th>Key</Th>
                <Th>Value</Th>
                <Th>From</Th>
              </>
            }
          >
            {rows.map(({ key, why, field: { text }, source }) => (
              <tr>
                <td class="whole">
                  <code>{key}</code>
                  <p class="note">{why}</p>
                </td>
                <td class="wrap">{text === "" ? <span class="note">{NONE}</span> : <code>{text}</code>}</td>
                <td class="end">{source.from === "default" ? "default" : <code class="wrap">{source.where}</code>}</td>
              </tr>
            ))}
          </Table>
        </details>
      ))}
    </Body>
  </Card>
);
