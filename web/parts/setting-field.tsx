// Setting field: what a setting is changed with: a switch, choices, a line with its unit, lines, or a table of prices.
import type { SettingChoice, SettingKind, SettingUnit } from "../../src/settings/settings.ts";
import type { Markup } from "./markup.ts";
import { Why } from "./parts.tsx";
import { type PricesShown, PriceTable } from "./price-table.tsx";

export type FieldOf = {
  label: string;
  kind: SettingKind;
  unit: SettingUnit | null;
  choices: readonly SettingChoice[];
  nullable: boolean;
  fixed: boolean;
  /** As the field has it. */
  text: string;
  /** Of a table of prices. */
  prices: PricesShown | null;
};
/** `describedBy`: what stands beside it, by id. */
type Props = { id: string; of: FieldOf; describedBy: string; isWrong?: boolean };

/** Whether the field is several, which have a name as a group; the others have a `<label>`. */
export const isGroup = ({ kind, choices }: Pick<FieldOf, "kind" | "choices">): boolean =>
  kind === "choice" || kind === "prices" || (kind === "list" && choices.length > 0);

/** A table is as wide as it can. */
export const isWide = ({ kind }: Pick<FieldOf, "kind">): boolean => kind === "prices";

type ControlProps = {
  id: string;
  fieldId: string;
  of: FieldOf;
  describedBy: string;
  /** What was wrong with what was typed. */
  fault: { words: string; faults: readonly unknown[] } | null;
};
/** The field, what is wrong with it, and the button that saves it. */
export function SettingControl({ id, fieldId, of, describedBy, fault }: ControlProps): Markup {
  const { label, fixed } = of;
  // A table says itself what is wrong in it.
  const words = fault && fault.faults.length === 0 ? fault.words : null;
  const says = words === null ? describedBy : `${describedBy} ${id}-fault`;
  const save = !fixed && (
    <button type="submit" id={`${id}-save`} aria-label={`Save ${label}`}>
      Save
    </button>
  );
  return (
    <>
      {of.prices ? (
        <PriceTable id={fieldId} label={label} prefix="row" of={of.prices} describedBy={says} fixed={fixed}>
          {save}
        </PriceTable>
      ) : (
        <div class="row">
          <SettingField id={fieldId} of={of} describedBy={says} isWrong={words !== null} />
          {save}
        </div>
      )}
      {words !== null && <Why id={`${id}-fault`}>{words}</Why>}
    </>
  );
}

function SettingField({ id, of, describedBy, isWrong = false }: Props): Markup {
  const { kind, unit, nullable, fixed, text } = of;
  const shared = {
    id,
    name: "value",
    disabled: fixed,
    "aria-describedby": describedBy,
    "aria-invalid": isWrong ? "true" : undefined,
  } as const;
  if (isGroup(of)) return <Choices id={id} of={of} describedBy={describedBy} />;
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
  if (kind === "list") {
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

/** One of a few words, or some of them, each with what it does. */
function Choices({ id, of, describedBy }: Omit<Props, "isWrong">): Markup {
  const { label, kind, choices, fixed, text } = of;
  const several = kind === "list";
  const chosen = several ? text.split("\n") : [text];
  return (
    <fieldset class="choices" aria-describedby={describedBy}>
      <legend class="hidden">{label}</legend>
      {several && <input type="hidden" name="value" value="" disabled={fixed} />}
      {choices.map(({ value, label: called, about }, i) => {
        const own = i === 0 ? id : `${id}-${value}`;
        return (
          <label class="check" for={own}>
            <input
              id={own}
              type={several ? "checkbox" : "radio"}
              name="value"
              value={value}
              checked={chosen.includes(value)}
              disabled={fixed}
            />
            <span>
              {called} {about !== "" && <span class="note">{about}</span>}
            </span>
          </label>
        );
      })}
    </fieldset>
  );
}
