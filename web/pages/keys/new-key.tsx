// New key: the form for one.
import { type Fault, Field, FormFault } from "../../parts/field.tsx";
import type { Markup } from "../../parts/markup.ts";
import { Body, Card, Csrf, Select, Why } from "../../parts/parts.tsx";
import { Head, Shell } from "../../parts/shell.tsx";
import { type Around, SCOPES } from "./list.tsx";

type NewKeyView = Around & {
  fields: Readonly<Record<string, string>>;
  fault: Fault | null;
  /** Whether keys for workers, and rights to private pools, are theirs to give. */
  workers: boolean;
  pools: boolean;
};
const LIVES = [
  ["", "Never"],
  ["7d", "In a week"],
  ["30d", "In 30 days"],
  ["90d", "In 90 days"],
  ["1y", "In a year"],
] as const;

const SHOWN_AT_FIELD = [
  "name",
  "models",
  "pools",
  "requests_per_minute",
  "tokens_per_minute",
  "spend_day",
  "spend_total",
];

export const NewKey = ({ viewer, fields, fault, workers, pools }: NewKeyView): Markup => (
  <Shell viewer={viewer} title="New key">
    <Head title="New key" crumb={{ href: "/keys", label: "Keys" }} />
    <form class="narrow stack" method="post" action="/keys">
      {viewer.human && <Csrf token={viewer.human.csrf} />}
      <FormFault fault={fault} title="The key was not made" fields={SHOWN_AT_FIELD} />
      <Card id="what" title="What it is for">
        <Body>
          <Field
            name="name"
            label="Name"
            value={fields.name}
            max={128}
            fault={fault}
            first={fault === null || fault.field === "name"}
            hint="For you to tell keys apart."
          />
          <Select name="expires" label="Ends" value={fields.expires ?? ""} options={LIVES} />
          {workers && (
            <Select
              name="role"
              label="For"
              value={fields.role ?? "client"}
              options={[
                ["client", "Clients, who ask"],
                ["operator", "Workers, who serve models (nothing below holds for them)"],
              ]}
            />
          )}
        </Body>
      </Card>
      <Limits fields={fields} fault={fault} />
      <details class="card fold" id="may" open={isNarrowed(fields, fault)}>
        <summary>
          <b>What it may</b>
          <span class="note">Everything, where nothing is chosen</span>
        </summary>
        <Body>
          <fieldset>
            <legend>Scopes</legend>
            {SCOPES.map(([scope, label]) => (
              <label class="check">
                <input
                  type="checkbox"
                  name={`scope:${scope}`}
                  value="1"
                  checked={fields[`scope:${scope}`] !== undefined}
                />
                {label}
              </label>
            ))}
          </fieldset>
          <Lines
            name="models"
            label="Models, one a line"
            value={fields.models}
            hint="A name, or how names begin with a * behind: llama*"
            fault={fault}
          />
          {pools && <Lines name="pools" label="Private pools, one a line" value={fields.pools} fault={fault} />}
        </Body>
      </details>
      <div class="row">
        <button type="submit" class="act">
          Make key
        </button>
        <a class="button" href="/keys">
          Back
        </a>
      </div>
    </form>
  </Shell>
);

/** What is chosen, or wrong, is not hidden. */
const isNarrowed = (fields: NewKeyView["fields"], fault: Fault | null): boolean =>
  fault?.field === "models" ||
  fault?.field === "pools" ||
  Object.entries(fields).some(
    ([name, value]) => (name.startsWith("scope:") || name === "models" || name === "pools") && value !== "",
  );

const Limits = ({ fields, fault }: Pick<NewKeyView, "fields" | "fault">): Markup => (
  <Card id="limits" title="Limits">
    <Body>
      {LIMITS.map(([name, label, hint]) => (
        <Field
          name={name}
          label={label}
          value={fields[name]}
          hint={hint}
          fault={fault}
          first={fault?.field === name}
          required={false}
          max={32}
        />
      ))}
    </Body>
  </Card>
);

const LIMITS = [
  ["requests_per_minute", "Requests a minute", "Empty: not limited."],
  ["tokens_per_minute", "Tokens a minute", undefined],
  ["spend_day", "Spending a day, $", "Days are in UTC."],
  ["spend_total", "Spending in all, $", undefined],
] as const;

type LinesProps = { name: string; label: string; value: string | undefined; hint?: string; fault: Fault | null };
const Lines = ({ name, label, value, hint, fault }: LinesProps): Markup => {
  const wrong = fault?.field === name ? fault.words : undefined;
  return (
    <div class="field">
      <label for={name}>{label}</label>
      <textarea
        id={name}
        name={name}
        rows={2}
        spellcheck={false}
        maxlength={8192}
        aria-invalid={wrong === undefined ? undefined : "true"}
        aria-describedby={wrong === undefined ? undefined : `${name}-why`}
      >
        {value}
      </textarea>
      {hint !== undefined && <p class="note">{hint}</p>}
      {wrong !== undefined && <Why id={`${name}-why`}>{wrong}</Why>}
    </div>
  );
};
