// Terms: a node's slots, prices and hours, and the form that asks it for others. The node has the last word.
import type { NodeInner, NodeShown } from "../../../src/dashboard/nodes/shown.ts";
import type { FormTerm, TermsFault, TermsFormView, TermsShown } from "../../../src/dashboard/nodes/terms.ts";
import { allowingCommand, type NodeTerms } from "../../../src/protocol/terms.ts";
import { Code } from "../../parts/code.tsx";
import { commandState } from "../../parts/command.ts";
import { Field, FormFault } from "../../parts/field.tsx";
import type { Markup } from "../../parts/markup.ts";
import { Card, Csrf, Fact, Facts, Status, Why } from "../../parts/parts.tsx";
import { PriceTable } from "../../parts/price-table.tsx";
import { PRICES_RULE } from "../../parts/setting-text.ts";
import { dollars, duration, Name, NONE, number, plainName } from "../../parts/text.tsx";

/** What was typed and not asked for. */
export type TermsSent = { form: TermsFormView; fault: TermsFault };
type Props = { node: NodeShown; inner: NodeInner; acts: boolean; csrf: string | null; sent: TermsSent | null };
type ChangeProps = { pubkey: string; terms: TermsShown; csrf: string | null; sent: TermsSent | null };

export const TermsCard = ({ node, inner, acts, csrf, sent }: Props): Markup => (
  <Card id="terms-h" title="Terms">
    <div class="body stack">
      <TermsNow node={node} inner={inner} />
      {acts && inner.terms && <Change pubkey={node.pubkey} terms={inner.terms} csrf={csrf} sent={sent} />}
    </div>
  </Card>
);

/** As the node told them last, and what became of the newest change; while the page is open. */
export const TermsNow = ({ node, inner: { terms, row, standing } }: Pick<Props, "node" | "inner">): Markup => (
  <div class="stack" id="node-terms">
    <Facts>{terms === null ? <Unknown slots={node.slots} /> : <Known terms={terms.told} slots={node.slots} />}</Facts>
    {terms === null && <p class="note">{whyUnknown(row.transport, standing !== null)}</p>}
    {terms?.command && !isClosed(terms) && <Doing command={terms.command} />}
  </div>
);

/** Why it refuses is said once. */
const isClosed = ({ form, command }: TermsShown): boolean => form === null && command?.state === "refused";

const whyUnknown = (transport: NodeInner["row"]["transport"], isLinked: boolean): string => {
  if (transport !== "link") return "A node that holds no link does not say more.";
  return isLinked
    ? "Its program is older and does not say more."
    : "It says more once it is linked, if its program is new enough.";
};

const Unknown = ({ slots }: { slots: number }): Markup => (
  <>
    <Fact name="Slots">{slots > 0 ? number(slots) : NONE}</Fact>
    <Fact name="Price in / out">{NONE}</Fact>
    <Fact name="Schedule">{NONE}</Fact>
  </>
);

const SHOWN_PATTERNS = 12;

function Known({ terms, slots }: { terms: NodeTerms; slots: number }): Markup {
  const patterns = Object.entries(terms.prices);
  return (
    <>
      <Fact name="Slots">{terms.slots > 0 ? number(terms.slots) : `as its backends say, ${number(slots)}`}</Fact>
      <Fact name="Price in / out">
        {dollars(terms.price_input)} / {dollars(terms.price_output)}
      </Fact>
      {patterns.slice(0, SHOWN_PATTERNS).map(([pattern, { input, output }]) => (
        <Fact name={<Name of={pattern} max={40} />}>
          {dollars(input)} / {dollars(output)}
        </Fact>
      ))}
      {patterns.length > SHOWN_PATTERNS && (
        <Fact name="Other prices">{number(patterns.length - SHOWN_PATTERNS)} more</Fact>
      )}
      <Fact name="Schedule">
        {terms.schedule.length === 0
          ? "always"
          : terms.schedule.map((span, i) => (
              <>
                {i > 0 && ", "}
                <Name of={span} max={128} />
              </>
            ))}
      </Fact>
      <Fact name="In use by others">{terms.idle_only ? whenBusy(terms) : "serves all the same"}</Fact>
      <Fact name="Commands it takes">{terms.allows.length === 0 ? "none" : terms.allows.join(", ")}</Fact>
    </>
  );
}

/** `pauses from 20 % GPU or 50 % CPU for 10 s, until 2 min of quiet`. */
function whenBusy({ idle_gpu_percent: gpu, idle_cpu_percent: cpu, ...rules }: NodeTerms): string {
  const loads = [gpu > 0 ? `${gpu} % GPU` : null, cpu > 0 ? `${cpu} % CPU` : null].filter((one) => one !== null);
  if (loads.length === 0) return "serves all the same";
  const [busy, quiet] = [rules.idle_busy_s, rules.idle_resume_s].map((s) => seconds(s));
  return `pauses from ${loads.join(" or ")} for ${busy}, until ${quiet} of quiet`;
}
const seconds = (s: number): string => (s < 60 ? `${s} s` : duration(s * 1000).replace(/ 0 s$/, ""));

function Doing({ command }: { command: NonNullable<TermsShown["command"]> }): Markup {
  const [tone, word] = commandState(command);
  return (
    <Status tone={tone}>
      {word}
      {command.error !== null && (
        <>
          : <bdi>{plainName(command.error, 200)}</bdi>
        </>
      )}
    </Status>
  );
}

function Change({ pubkey, terms, csrf, sent }: ChangeProps): Markup {
  const { told } = terms;
  const form = sent?.form ?? terms.form;
  if (form !== null) {
    return (
      <details open={sent !== null}>
        <summary>Change terms</summary>
        <TermsForm pubkey={pubkey} form={form} csrf={csrf} fault={sent?.fault ?? null} />
      </details>
    );
  }
  if (told.allows.includes("configure")) return <p class="note">Flags on its machine fix them.</p>;
  const command = allowingCommand(told.allows, "configure");
  return (
    <>
      <p class="note">Only its machine changes them. To do it here too, run there:</p>
      <Code id="terms-allow" name="Command that lets terms be changed here" text={command} wraps />
    </>
  );
}

type FormProps = { pubkey: string; form: TermsFormView; csrf: string | null; fault: TermsFault | null };

/** Alone, it answers a form that was not right. */
export function TermsForm({ pubkey, form: { texts, was, prices }, csrf, fault }: FormProps): Markup {
  const to = `/nodes/${pubkey}/terms`;
  const of = (name: FormTerm) => ({ name, id: `terms-${name}`, value: texts[name], fault });
  const has = (name: FormTerm) => texts[name] !== undefined;
  return (
    <form class="fields" method="post" action={to} hx-post={to} hx-target="this" hx-swap="outerHTML" id="terms">
      {csrf !== null && <Csrf token={csrf} />}
      {Object.entries(was).map(([name, value]) => (
        <input type="hidden" name={`was.${name}`} value={value} />
      ))}
      <FormFault fault={fault} title="Not asked for" fields={shownAtField(texts, fault)} />
      {has("slots") && <Field {...of("slots")} label="Jobs side by side" hint="0 asks its backends." max={4} />}
      {has("price_input") && <Field {...of("price_input")} label="Price in, $ per million tokens" max={24} />}
      {has("price_output") && <Field {...of("price_output")} label="Price out, $ per million tokens" max={24} />}
      {prices !== null && (
        <div class="field">
          <b>Models that cost something else</b>
          <p class="note" id="terms-prices-hint">
            {PRICES_RULE}
          </p>
          <PriceTable
            id="terms-prices"
            label="Models that cost something else"
            prefix="prices"
            of={{ rows: prices, faults: fault?.prices ?? [] }}
            describedBy="terms-prices-hint"
          />
        </div>
      )}
      {has("schedule") && (
        <Lines
          {...of("schedule")}
          label="Schedule"
          hint="One span a line, in the node's local time. Empty: always."
          placeholder="mon-fri 18:00-08:00"
        />
      )}
      {has("idle_only") && (
        <label class="check">
          <input
            type="checkbox"
            id="terms-idle_only"
            name="idle_only"
            value="true"
            checked={texts.idle_only === "true"}
          />
          Serve only while nobody else uses its machine
        </label>
      )}
      <div class="row">
        <button type="submit" class="act" id="terms-save">
          Ask the node
        </button>
      </div>
    </form>
  );
}

/** A table shows its own; what is wrong with it as a whole is said above. */
const shownAtField = (texts: TermsFormView["texts"], fault: TermsFault | null): string[] => [
  ...Object.keys(texts),
  ...(fault !== null && fault.prices.length > 0 ? ["prices"] : []),
];

type LinesProps = {
  name: FormTerm;
  id: string;
  label: string;
  value: string | undefined;
  hint: string;
  placeholder: string;
  fault: TermsFault | null;
};

function Lines({ name, id, label, value, hint, placeholder, fault }: LinesProps): Markup {
  const wrong = fault?.field === name ? fault.words : undefined;
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <textarea
        id={id}
        name={name}
        rows={2}
        maxlength={40_000}
        placeholder={placeholder}
        spellcheck={false}
        autocomplete="off"
        aria-describedby={wrong === undefined ? `${id}-hint` : `${id}-hint ${id}-why`}
        aria-invalid={wrong === undefined ? undefined : "true"}
      >
        {value}
      </textarea>
      <p class="note" id={`${id}-hint`}>
        {hint}
      </p>
      {wrong !== undefined && <Why id={`${id}-why`}>{wrong}</Why>}
    </div>
  );
}
