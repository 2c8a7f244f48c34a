// The settings, as operations of a coordinator.
import { err, ok } from "../lib/result.ts";
import type { Setting, Settings, SettingsError } from "../settings/settings.ts";
import { operation } from "./operation.ts";
import type { Admin, AdminError } from "./operations.ts";
import { SETTINGS_OPERATIONS, type SettingRow } from "./settings-operations.ts";

export function settingsAdmin(settings: Settings): Pick<Admin, "listSettings" | "changeSetting" | "resetSetting"> {
  return {
    listSettings: operation(SETTINGS_OPERATIONS.listSettings, async () =>
      ok({
        groups: settings.groups.map((group) => ({ ...group, keys: [...group.keys] })),
        settings: settings.list().map(row),
      }),
    ),
    changeSetting: operation(SETTINGS_OPERATIONS.changeSetting, async ({ key, value, text }, by) => {
      const changed = await settings.change(key, text === undefined ? { value } : { text }, by);
      return changed.ok ? ok(row(changed.value)) : err(refusal(key, changed.error));
    }),
    resetSetting: operation(SETTINGS_OPERATIONS.resetSetting, async ({ key }, by) => {
      const changed = await settings.reset(key, by);
      return changed.ok ? ok(row(changed.value)) : err(refusal(key, changed.error));
    }),
  };
}

function refusal(key: string, { code, message }: SettingsError): AdminError {
  if (code === "wrong") return { code: "invalid", message: `${key}: ${message}` };
  if (code === "unknown")
    return { code: "not_found", message: `${key}: ${message}`, hint: "`infernet settings list` shows them" };
  const hint = code === "fixed" ? "change it there and start again" : "change config.toml and start again";
  return { code: "conflict", message: `${key}: ${message}`, hint };
}

function row({ name, kept, fallback, section: _, ...setting }: Setting): SettingRow {
  return {
    ...setting,
    key: name,
    choices: [...setting.choices],
    value: json(setting.value),
    default: json(fallback),
    beneath: json(setting.beneath),
    kept: kept && { value: json(kept.value), changed_ms: kept.changedMs, changed_by: kept.changedBy },
  };
}

/** The configuration is JSON, whose types do not say so. */
const json = (value: unknown): SettingRow["value"] => (value ?? null) as SettingRow["value"];
