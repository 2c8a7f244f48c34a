// Field: one line of a form, with what it takes and what is wrong with it.
import type { Child } from "hono/jsx";
import type { Markup } from "./markup.ts";
import { Notice, Why } from "./parts.tsx";

/** What was wrong with a form that was sent: `field` where one of its fields is at fault. */
export type Fault = { field: string | null; words: string };

type FieldProps = {
  name: string;
  label: string;
  type?: "text" | "email" | "password" | "number";
  value?: string | undefined;
  /** What it takes, below it. */
  hint?: Child;
  fault?: Fault | null | undefined;
  /** Of the field in the page; the name where it is the only one of that name. */
  id?: string;
  autocomplete?: string;
  required?: boolean;
  min?: number;
  max?: number;
  placeholder?: string;
  /** Where one begins. */
  first?: boolean;
  /** Takes the secret of the link that the page was opened with. */
  secret?: boolean;
};

export function Field(props: FieldProps): Markup {
  const { name, label, type = "text", value, hint, fault, id = name, required = true, first, secret } = props;
  const wrong = fault?.field === name ? fault.words : undefined;
  const says = [hint !== undefined && `${id}-hint`, wrong !== undefined && `${id}-why`].filter(Boolean).join(" ");
  const numeric = type === "number";
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input
        id={id}
        name={name}
        type={type}
        value={type === "password" ? undefined : value}
        autocomplete={props.autocomplete ?? "off"}
        required={required}
        minlength={numeric ? undefined : props.min}
        maxlength={numeric ? undefined : props.max}
        min={numeric ? props.min : undefined}
        max={numeric ? props.max : undefined}
        placeholder={props.placeholder}
        autofocus={first}
        spellcheck={type === "text" && !secret ? undefined : false}
        aria-describedby={says === "" ? undefined : says}
        aria-invalid={wrong === undefined ? undefined : "true"}
        data-secret={secret ? "" : undefined}
      />
      {hint !== undefined && (
        <p class="note" id={`${id}-hint`}>
          {hint}
        </p>
      )}
      {wrong !== undefined && <Why id={`${id}-why`}>{wrong}</Why>}
    </div>
  );
}

/** What was wrong with the form as a whole; nothing where a field shows it. */
export const FormFault = ({
  fault,
  title,
  fields = [],
}: {
  fault: Fault | null | undefined;
  title: string;
  /** Fields that show their own. */
  fields?: readonly string[];
}): Markup | null =>
  fault && !(fault.field !== null && fields.includes(fault.field)) ? (
    <div role="alert">
      <Notice tone="bad" title={title}>
        {fault.words}
      </Notice>
    </div>
  ) : null;
