// Keys: the account's API keys, one of them, the form for a new one, and a key the only time that it is shown.
import type { KeyRow } from "../../src/admin/operations.ts";
import type { KeySpend, Spend } from "../../src/http/key-spend.ts";
import { Act } from "../parts/act.tsx";
import { Code } from "../parts/code.tsx";
import { type Fault, Field, FormFault } from "../parts/field.tsx";
import type { Markup } from "../parts/markup.ts";
import {
  Body,
  Card,
  Copy,
  Csrf,
  Empty,
  Fact,
  Facts,
  Filters,
  Meter,
  Notice,
  Pager,
  Score,
  Search,
  Select,
  Status,
  Table,
  Tag,
  Th,
  Why,
} from "../parts/parts.tsx";
import { Head, Shell, type Viewer } from "../parts/shell.tsx";
import { Ago, dollars, Name, NONE, number, plainName, When } from "../parts/text.tsx";
import { examples } from "./examples.ts";

type Around = { viewer: Viewer; mayChange: boolean; nowMs: number };
export type KeyView = { row: KeyRow; spend: KeySpend; isGood: boolean };

type KeysView = Around & {
  keys: readonly KeyView[];
  filter: { state: string; q: string };
  /** There is none at all. */
  none: boolean;
  newer: string | null;
  older: string | null;
};

const NewButton = (): Markup => (
  <a class="button act" href="/keys/new">
    New key
  </a>
);

export const Keys = (view: KeysView): Markup => (
  <Shell viewer={view.viewer} title="Keys">
    <Head title="Keys" note="What programs sign in with. A key makes requests in this account's name.">
      {view.mayChange && !view.none && <NewButton />}
    </Head>
    {view.none ? <NoKeys mayChange={view.mayChange} /> : <KeyList {...view} />}
  </Shell>
);

const NoKeys = ({ mayChange }: { mayChange: boolean }): Markup => (
  <section class="card" aria-label="No keys">
    <Empty icon="keyicon" level={2} title="No keys yet" act={mayChange ? <NewButton /> : undefined}>
      A key lets programs use the network through the OpenAI-compatible API, with limits of its own.
      {!mayChange && " An owner of the account makes one."}
    </Empty>
  </section>
);

const STATES = [
  ["good", "In force"],
  ["ended", "Ended"],
  ["all", "All"],
] as const;

const KeyList = ({ viewer, keys, filter, nowMs, mayChange, newer, older }: KeysView): Markup => (
  <>
    <Filters list="keys-card" action="/keys">
      <Select name="state" label="State" value={filter.state} options={STATES} />
      <Search label="Name or beginning" value={filter.q} placeholder="inf_…" />
    </Filters>
    <Card id="keys" title="Keys" footer={<Pager list="keys-card" newer={newer} older={older} />}>
      {keys.length === 0 ? (
        <Empty icon="keyicon" title="No key matches">
          Choose another state, or clear the search.
        </Empty>
      ) : (
        <Table
          name="Keys of the account"
          head={
            <>
              <Th>Name</Th>
              <Th>May</Th>
              <Th>Last used</Th>
              <Th>Ends</Th>
              <Th>Spent</Th>
              <Th hide>Acts</Th>
            </>
          }
        >
          {keys.map((view) => (
            <Row {...view} nowMs={nowMs} csrf={mayChange ? (viewer.human?.csrf ?? null) : null} />
          ))}
        </Table>
      )}
    </Card>
  </>
);

const Row = ({ row: key, spend, isGood, nowMs, csrf }: KeyView & { nowMs: number; csrf: string | null }): Markup => (
  <tr>
    <td class="whole">
      <a href={`/keys/${encodeURIComponent(key.id)}`}>
        <Name of={key.name} />
      </a>
      <br />
      <code class="note">{key.prefix}…</code>
    </td>
    <td class="whole" data-label="May">
      {mayWords(key)}
    </td>
    <td data-label="Last used">{key.last_used_ms === null ? "Never" : <Ago ms={key.last_used_ms} nowMs={nowMs} />}</td>
    <td data-label="Ends">
      <Ends keyRow={key} isGood={isGood} />
    </td>
    <td class="whole" data-label="Spent">
      <Spent spend={spend} />
    </td>
    <td class="n whole end">{isGood && csrf !== null && <Revoke keyRow={key} csrf={csrf} />}</td>
  </tr>
);

const mayWords = ({ role, scopes, models, pools }: KeyRow): string =>
  role === "operator"
    ? "Serve models"
    : [
        scopes.length === 0 || scopes.length === SCOPES.length ? "Everything" : scopes.join(", "),
        ...(models.length === 0 ? [] : [`${number(models.length)} ${models.length === 1 ? "model" : "models"}`]),
        ...(pools.length === 0 ? [] : [`pool ${pools.join(", ")}`]),
      ].join(" · ");

const Ends = ({ keyRow, isGood }: { keyRow: KeyRow; isGood: boolean }): Markup =>
  keyRow.revoked_ms !== null ? (
    <Status tone="off">
      Revoked <When ms={keyRow.revoked_ms} />
    </Status>
  ) : keyRow.expires_ms === null ? (
    <span>Never</span>
  ) : isGood ? (
    <When ms={keyRow.expires_ms} />
  ) : (
    <Status tone="off">
      Ended <When ms={keyRow.expires_ms} />
    </Status>
  );

/** The limit that is nearer to its end. */
const Spent = ({ spend: { day, total } }: { spend: KeySpend }): Markup => {
  const [nearest] = [...(day ? [{ ...day, of: "today" }] : []), ...(total ? [{ ...total, of: "in all" }] : [])].sort(
    (a, b) => share(b) - share(a),
  );
  if (!nearest) return <span>{NONE}</span>;
  const says = `${dollars(nearest.used)} of ${dollars(nearest.limit)} ${nearest.of}`;
  return (
    <div class="score">
      <span class="note">{says}</span>
      <Meter share={share(nearest)} label={says} {...toneOf(nearest)} />
    </div>
  );
};
const share = ({ used, limit }: Spend): number => (limit === 0 ? 1 : used / limit);
const toneOf = (spend: Spend): { tone?: "warn" | "bad" } =>
  share(spend) >= 1 ? { tone: "bad" } : share(spend) >= 0.8 ? { tone: "warn" } : {};

const Revoke = ({ keyRow: { id, name }, csrf }: { keyRow: KeyRow; csrf: string }): Markup => (
  <Act
    to={`/keys/${encodeURIComponent(id)}/revoke`}
    csrf={csrf}
    look="danger"
    label={`Revoke ${plainName(name)}`}
    ask={{
      title: `Revoke ${plainName(name)}?`,
      what: "Programs that use it are refused at once. A key cannot be brought back.",
      act: "Revoke key",
      name: plainName(name),
    }}
  >
    Revoke…
  </Act>
);

export const Key = ({ viewer, row: key, spend, isGood, mayChange, nowMs }: Around & KeyView): Markup => (
  <Shell viewer={viewer} title={`Key ${plainName(key.name)}`}>
    <Head title={<Name of={key.name} />} crumb={{ href: "/keys", label: "Keys" }}>
      <Status tone={isGood ? "ok" : "off"}>
        {isGood ? "In force" : key.revoked_ms === null ? "Ended" : "Revoked"}
      </Status>
      {isGood && mayChange && viewer.human && <Revoke keyRow={key} csrf={viewer.human.csrf} />}
    </Head>
    <div class="cols">
      <div class="stack">
        <Card id="limits" title="Limits">
          <Body>
            <Limit name="Spending a day" spend={spend.day} />
            <Limit name="Spending in all" spend={spend.total} />
            <Facts>
              <Fact name="Requests a minute">{limitWords(key.requests_per_minute)}</Fact>
              <Fact name="Tokens a minute">{limitWords(key.tokens_per_minute)}</Fact>
            </Facts>
          </Body>
        </Card>
        {isGood && mayChange && viewer.human && <Rotate keyRow={key} csrf={viewer.human.csrf} />}
      </div>
      <Card id="facts" title="Key">
        <Body>
          <Facts>
            <Fact name="Begins with">
              <code>{key.prefix}</code>
            </Fact>
            <Fact name="Made">
              <When ms={key.created_ms} />
            </Fact>
            <Fact name="Last used">
              {key.last_used_ms === null ? "Never" : <Ago ms={key.last_used_ms} nowMs={nowMs} />}
            </Fact>
            <Fact name="Ends">
              <Ends keyRow={key} isGood={isGood} />
            </Fact>
            <Fact name="For">{key.role === "operator" ? "Workers that serve models" : "Clients"}</Fact>
            {key.role === "client" && (
              <>
                <Fact name="May">
                  <Names of={key.scopes} none="Everything" />
                </Fact>
                <Fact name="Models">
                  <Names of={key.models} none="All" />
                </Fact>
                <Fact name="Pools">
                  <Names of={key.pools} none="Public" />
                </Fact>
              </>
            )}
          </Facts>
        </Body>
      </Card>
    </div>
  </Shell>
);

const limitWords = (limit: number | null): string => (limit === null ? "Not limited" : number(limit));
const Names = ({ of, none }: { of: readonly string[]; none: string }): Markup =>
  of.length === 0 ? (
    <span>{none}</span>
  ) : (
    <span class="row tags">
      {of.map((name) => (
        <Tag>
          <Name of={name} />
        </Tag>
      ))}
    </span>
  );
const Limit = ({ name, spend }: { name: string; spend: Spend | null }): Markup =>
  spend === null ? (
    <Facts>
      <Fact name={name}>Not limited</Fact>
    </Facts>
  ) : (
    <Score
      label={name}
      value={`${dollars(spend.used)} of ${dollars(spend.limit)}`}
      share={share(spend)}
      says={`${name}: ${dollars(spend.used)} of ${dollars(spend.limit)}`}
      note={spend.remaining === 0 ? "Nothing is left: requests are refused." : undefined}
      {...toneOf(spend)}
    />
  );

const OVERLAPS = [
  ["86400", "One more day"],
  ["3600", "One more hour"],
  ["604800", "One more week"],
  ["0", "No longer"],
] as const;

const Rotate = ({ keyRow: { id }, csrf }: { keyRow: KeyRow; csrf: string }): Markup => (
  <Card id="rotate" title="Rotate">
    <form class="body stack" method="post" action={`/keys/${encodeURIComponent(id)}/rotate`}>
      <Csrf token={csrf} />
      <p class="note">
        A new key takes over, with the same rights, limits and spending. Change your programs meanwhile.
      </p>
      <div class="row">
        <Select name="overlap_s" label="The old key stays good" value="86400" options={OVERLAPS} />
        <button type="submit">Rotate key</button>
      </div>
    </form>
  </Card>
);

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
const SCOPES = [
  ["chat", "Chat"],
  ["completions", "Completions"],
  ["embeddings", "Embeddings"],
  ["jobs", "Asynchronous jobs"],
  ["models:read", "Models"],
  ["usage:read", "Usage and balance"],
  ["funding", "Deposits and allowances"],
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
      <Card id="may" title="What it may">
        <Body>
          <fieldset>
            <legend>Scopes; none chosen: everything</legend>
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
            label="Models, one a line; none: all"
            value={fields.models}
            hint="A name, or how names begin with a * behind: llama*"
            fault={fault}
          />
          {pools && <Lines name="pools" label="Private pools, one a line" value={fields.pools} fault={fault} />}
        </Body>
      </Card>
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

const LIMITS = [
  ["requests_per_minute", "Requests a minute", "Empty: not limited."],
  ["tokens_per_minute", "Tokens a minute", undefined],
  ["spend_day", "Spending a day, $", "Days are UTC’s."],
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

type KeyShownView = Around & {
  id: string;
  secret: string;
  name: string;
  /** The key that it takes over from. */
  old: { endsMs: number } | null;
  /** Null for workers' keys. */
  example: { address: string; model: string } | null;
};
export const KeyShown = ({ viewer, id, secret, name, old, example }: KeyShownView): Markup => (
  <Shell viewer={viewer} title="Your new key">
    <Head title="Your new key" crumb={{ href: "/keys", label: "Keys" }} />
    <Card
      id="secret"
      title={plainName(name)}
      aside={<Copy text={secret} label="Copy the key" />}
      footer={
        <>
          <span>It is shown this once.</span>
          <a href={`/keys/${encodeURIComponent(id)}`}>See its limits</a>
        </>
      }
    >
      <Body>
        <p class="secret" id="new-key">
          {secret}
        </p>
        <Notice tone="warn" title="Keep it now">
          Nobody can show it again, here or elsewhere. Whoever has it asks in your name.
          {old !== null && (
            <>
              {" "}
              The old key ends <When ms={old.endsMs} />.
            </>
          )}
        </Notice>
      </Body>
    </Card>
    {example && <Examples secret={secret} {...example} />}
  </Shell>
);

const Examples = ({ secret, address, model }: { secret: string; address: string; model: string }): Markup => {
  const filled = (text: string): string =>
    text
      .replaceAll("$INFERNET_API_KEY", secret)
      .replaceAll(/os\.environ\["INFERNET_API_KEY"\]|process\.env\.INFERNET_API_KEY/g, JSON.stringify(secret));
  const streaming = examples({ address, model, embedding: null }).filter(({ id }) => id === "streaming");
  return (
    <Card id="examples" title="Try it">
      {streaming.map((example) => (
        <Body>
          {(["curl", "python", "typescript"] as const).map((language) => (
            <details open={language === "curl"}>
              <summary>{LANGUAGES[language]}</summary>
              <Code id={`example-${language}`} name={LANGUAGES[language]} text={filled(example[language])} />
            </details>
          ))}
        </Body>
      ))}
    </Card>
  );
};
const LANGUAGES = { curl: "curl", python: "Python", typescript: "TypeScript" } as const;
