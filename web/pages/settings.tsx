// Settings: what may change while the coordinator runs, one form each; and what is read at the start.
import type { SettingsView, SettingView } from "../../src/dashboard/settings/view.ts";
import type { Markup } from "../parts/markup.ts";
import { Body, Card, Csrf, Table, Tag, Th, Why } from "../parts/parts.tsx";
import { settingId } from "../parts/setting-id.ts";
import { Head, Shell, type Viewer } from "../parts/shell.tsx";
import { ago, dollars, Name, NONE, number } from "../parts/text.tsx";

/** Sections as people call them. */
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
    <Shell viewer={viewer} title="Settings">
      <Head
        title="Settings"
        note="Kept in the database, in effect at once, above config.toml and below flags and the environment."
      />
      <nav class="jumps" aria-label="Sections">
        {view.live.map(({ section }) => (
          <a href={`#${section}-card`}>{titleOf(section)}</a>
        ))}
        <a href="/admin/models">Models and aliases</a>
        <a href="#start-card">Read at the start</a>
      </nav>
      {view.live.map(({ section, rows }) => (
        <Card id={section} title={titleOf(section)} aside={<code class="more">[{section}]</code>}>
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
  const { key, why, fault, fixed, kept } = setting;
  const id = settingId(key);
  const to = `/admin/settings/${encodeURIComponent(key)}`;
  const confirm = CAREFUL[`${key}=${setting.text}`];
  const idle = billing !== "solana" && key.startsWith("payouts.");
  return (
    <li id={id}>
      <form
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
          <label for={`${id}-field`}>{nameOf(key)}</label>
          <p class="note" id={`${id}-why`}>
            {why}
          </p>
          {idle && <p class="note">It counts with billing.mode = "solana".</p>}
        </div>
        <div class="how">
          <div class="row">
            <Input setting={setting} id={id} />
            {!fixed && (
              <button type="submit" id={`${id}-save`} aria-label={`Save ${nameOf(key)}`}>
                Save
              </button>
            )}
          </div>
          {fault && <Why id={`${id}-fault`}>{fault.words}</Why>}
          <p class="note">
            <Origin setting={setting} nowMs={nowMs} />
            {kept && !fixed && (
              <button type="submit" class="plain" id={`${id}-reset`} name="reset" value="1" formnovalidate>
                Reset<span class="hidden"> {nameOf(key)}</span>
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

function Input({ setting, id }: { setting: SettingView; id: string }): Markup {
  const { kind, choices, min, max, fixed, fault, nullable, key } = setting;
  const text = fault?.text ?? setting.text;
  const shared = {
    id: `${id}-field`,
    name: "value",
    disabled: fixed,
    "aria-describedby": `${id}-why${fault ? ` ${id}-fault` : ""}`,
    "aria-invalid": fault ? "true" : undefined,
  } as const;
  if (kind === "boolean") {
    return (
      <span class="check">
        <input type="hidden" name="value" value="false" disabled={fixed} />
        <input {...shared} type="checkbox" value="true" checked={text === "true"} />
        <span class="on" aria-hidden="true">
          On
        </span>
        <span class="off" aria-hidden="true">
          Off
        </span>
      </span>
    );
  }
  if (kind === "choice") {
    return (
      <select {...shared}>
        {choices.map((choice) => (
          <option value={choice} selected={choice === text}>
            {choice}
          </option>
        ))}
      </select>
    );
  }
  return (
    <>
      <input
        {...shared}
        inputmode={kind === "integer" ? "numeric" : undefined}
        value={text}
        required={!nullable}
        maxlength={64}
        autocomplete="off"
        placeholder={nullable ? "not set" : undefined}
        title={min === null ? undefined : `${number(min)} to ${number(max ?? 0)}`}
      />
      <span class="note unit">{unitOf(key)}</span>
    </>
  );
}

/** Where the value comes from, and what it would be without. */
function Origin({ setting, nowMs }: { setting: SettingView; nowMs: number }): Markup {
  const { fixed, source, kept, changedBy, beneathText, defaultText, key } = setting;
  const shown = (text: string) => spoken(key, text);
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
        {shown(beneathText)}.{" "}
      </>
    );
  }
  if (source.from === "default") return <>Default: {shown(defaultText)}</>;
  return (
    <>
      <Tag>config.toml</Tag> Default: {shown(defaultText)}
    </>
  );
}

const nameOf = (key: string): string => {
  const name = key.slice(key.indexOf(".") + 1).replace(/_(s|h|hours|days|bps)$/, "");
  const words = name.replaceAll("_", " ").replace(/\bapi\b/g, "API");
  return words.charAt(0).toUpperCase() + words.slice(1);
};
const unitOf = (key: string): string => {
  if (/\.price_/.test(key)) return "µ$ a million";
  if (key === "payouts.minimum") return "µ$";
  const unit = /_(s|h|hours|days|bps)$/.exec(key)?.[1];
  return { s: "s", h: "h", hours: "h", days: "d", bps: "/ 10 000" }[unit ?? ""] ?? "";
};
/** A value with its unit; µ$ also as dollars, shares as percent. */
function spoken(key: string, text: string): string {
  if (text === "") return "not set";
  if (!/^\d{1,15}$/.test(text)) return { true: "on", false: "off" }[text] ?? text;
  const value = Number(text);
  if (/\.price_|^payouts\.minimum$/.test(key)) return `${number(value)} (${dollars(value)})`;
  if (key.endsWith("_bps")) return `${number(value)} (${number(value / 100, 2)} %)`;
  const unit = unitOf(key);
  return `${number(value)}${unit === "" ? "" : ` ${unit}`}`;
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
            {rows.map(({ key, why, text, source }) => (
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
