// Price table: prices of single models to be edited, a row a model. Without script there are empty rows for new ones, and a
// row whose name is emptied goes; with it rows are added and taken away by buttons, and many can be searched.

import type { Child } from "hono/jsx";
import type { PriceFault, PriceField, PriceRow } from "../../src/dashboard/settings/price-rows.ts";
import { MAX_PATTERN_CHARS } from "../../src/protocol/terms.ts";
import type { Markup } from "./markup.ts";
import { Th, Why } from "./parts.tsx";
import { number, plainName, plural } from "./text.tsx";

export type PricesShown = { rows: readonly PriceRow[]; faults: readonly PriceFault[] };
type Props = {
  id: string;
  label: string;
  /** Of the fields' names. */
  prefix: string;
  of: PricesShown;
  /** What stands beside it, by id. */
  describedBy?: string;
  fixed?: boolean;
  /** More buttons below it. */
  children?: Child;
};

/** For new ones, below the others. */
const EMPTY_ROWS = 3;
/** More than these stand in a part that scrolls, with a search. */
const MANY = 12;
/** What is wrong is told below the name, where there is room. */
const PRICE_FIELDS = ["name", "input", "output"] as const satisfies readonly PriceField[];
const NEW: PriceRow = { former: "", name: "", input: "", output: "" };

export function PriceTable({
  id,
  label,
  prefix,
  of: { rows, faults },
  describedBy,
  fixed = false,
  children,
}: Props): Markup {
  const many = rows.length > MANY;
  const all = fixed ? rows : [...rows, ...Array.from({ length: EMPTY_ROWS }, () => NEW)];
  const [first] = faults;
  const faultsOf = Map.groupBy(faults, ({ row }) => row);
  return (
    <price-table>
      {first && (
        <p class="why">
          {plural(faults.length, "field is", "fields are")} not right.{" "}
          <a href={`#${id}-${first.row}-${first.field}`}>Go to the first</a>
        </p>
      )}
      {many && (
        <label class="row scripted">
          <span class="note">{plural(rows.length, "model")}</span>
          <input type="search" id={`${id}-search`} placeholder="Part of a name" maxlength={128} autocomplete="off" />
        </label>
      )}
      <div
        class={many ? "scroll many" : "scroll"}
        tabindex={0}
        role="region"
        aria-label={label}
        aria-describedby={describedBy}
      >
        <table class="prices">
          <thead>
            <tr>
              <Th>Model</Th>
              <Th n>Input, $</Th>
              <Th n>Output, $</Th>
              <Th hide>Remove</Th>
            </tr>
          </thead>
          <tbody id={id}>
            {all.map((row, at) => (
              <Row
                id={id}
                prefix={prefix}
                row={row}
                at={at}
                fixed={fixed}
                faultOf={(field) => faultsOf.get(at)?.find((one) => one.field === field)}
                first={first}
              />
            ))}
          </tbody>
        </table>
      </div>
      {!fixed && (
        <div class="row">
          <button type="button" class="scripted" id={`${id}-add`}>
            Add a model
          </button>
          {children}
        </div>
      )}
    </price-table>
  );
}

type RowProps = {
  id: string;
  prefix: string;
  row: PriceRow;
  at: number;
  fixed: boolean;
  faultOf(field: PriceField): PriceFault | undefined;
  first: PriceFault | undefined;
};
function Row({ id, prefix, row, at, fixed, faultOf, first }: RowProps): Markup {
  const isNew = row.former === "";
  const cell = (field: PriceField, label: string) => {
    const fault = faultOf(field);
    const own = `${id}-${at}-${field}`;
    return (
      <input
        id={own}
        name={`${prefix}.${field}`}
        value={row[field]}
        aria-label={`${label}, row ${number(at + 1)}`}
        {...(field === "name"
          ? { placeholder: isNew ? "llama3*" : "goes when saved", maxlength: MAX_PATTERN_CHARS, dir: "auto" }
          : { placeholder: "0.00", maxlength: 24, inputmode: "decimal", class: "n" })}
        autocomplete="off"
        spellcheck={false}
        disabled={fixed}
        autofocus={fault !== undefined && fault === first}
        aria-invalid={fault ? "true" : undefined}
        aria-describedby={fault && `${own}-why`}
      />
    );
  };
  return (
    <tr>
      <td>
        <input type="hidden" name={`${prefix}.former`} value={row.former} disabled={fixed} />
        {cell("name", "Model")}
        {PRICE_FIELDS.map((field) => {
          const fault = faultOf(field);
          return fault && <Why id={`${id}-${at}-${field}-why`}>{fault.words}</Why>;
        })}
      </td>
      <td data-label="Input, $">{cell("input", "Input price")}</td>
      <td data-label="Output, $">{cell("output", "Output price")}</td>
      <td>
        <button
          type="button"
          class="plain scripted"
          aria-label={`Remove ${isNew ? `row ${number(at + 1)}` : plainName(row.name || (row.former.split("\t")[0] ?? ""))}`}
        >
          Remove
        </button>
      </td>
    </tr>
  );
}
