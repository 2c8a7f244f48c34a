// Setting field: what a setting is changed with: a switch, a choice, a line with its unit, or lines of their own.
import type { SettingKind, SettingUnit } from "../../src/settings/settings.ts";
import type { Markup } from "./markup.ts";

export type FieldOf = {
  kind: SettingKind;
  unit: SettingUnit | null;
  choices: readonly string[];
  nullable: boolean;
  fixed: boolean;
  /** As the field has it. */
  text: string;
};
/** `describedBy`: what stands beside it, by id. */
type Props = { id: string; of: FieldOf; describedBy: string; isWrong?: boolean };

export function SettingField({ id, of, describedBy, isWrong = false }: Props): Markup {
  const { kind, unit, choices, nullable, fixed, text } = of;
  const shared = {
    id,
    name: "value",
    disabled: fixed,
    "aria-describedby": describedBy,
    "aria-invalid": isWrong ? "true" : undefined,
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
  if (kind === "list" || kind === "tables" || kind === "table") {
    return (
      <textarea {...shared} rows={3} maxlength={100_000} spellcheck={false}>
        {`\n${text}`}
      </textarea>
    );
  }
  const sign = unit?.sign ?? "";
  const after = unit?.text ?? "";
  return (
    <>
      {sign !== "" && <span class="note">{sign}</span>}
      <input
        {...shared}
        inputmode={kind === "integer" ? (unit?.digits === 0 ? "numeric" : "decimal") : undefined}
        value={text}
        required={!nullable}
        maxlength={64}
        autocomplete="off"
        placeholder={nullable ? "not set" : undefined}
      />
      {after !== "" && <span class="note unit">{after}</span>}
    </>
  );
}
