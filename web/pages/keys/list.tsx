// List: the account's API keys, what each may do and has spent.
import type { KeyRow } from "../../../src/admin/operations.ts";
import type { KeySpend, Spend } from "../../../src/http/key-spend.ts";
import { Act } from "../../parts/act.tsx";
import type { Markup } from "../../parts/markup.ts";
import { Card, Empty, Filters, Meter, Pager, Search, Select, Status, Table, Th } from "../../parts/parts.tsx";
import { Head, Shell, type Viewer } from "../../parts/shell.tsx";
import { Ago, dollars, Name, NONE, number, plainName, When } from "../../parts/text.tsx";

/** Of every page of keys. */
export type Around = { viewer: Viewer; mayChange: boolean; nowMs: number };
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
      <Search label="Search" value={filter.q} placeholder="Name, or inf_…" />
      <Select name="state" label="State" value={filter.state} options={STATES} />
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

export const SCOPES = [
  ["chat", "Chat"],
  ["completions", "Completions"],
  ["embeddings", "Embeddings"],
  ["jobs", "Asynchronous jobs"],
  ["models:read", "Models"],
  ["usage:read", "Usage and balance"],
  ["funding", "Deposits and allowances"],
] as const;

const mayWords = ({ role, scopes, models, pools }: KeyRow): string =>
  role === "operator"
    ? "Serve models"
    : [
        scopes.length === 0 || scopes.length === SCOPES.length ? "Everything" : scopes.join(", "),
        ...(models.length === 0 ? [] : [`${number(models.length)} ${models.length === 1 ? "model" : "models"}`]),
        ...(pools.length === 0 ? [] : [`pool ${pools.join(", ")}`]),
      ].join(" · ");

export const Ends = ({ keyRow, isGood }: { keyRow: KeyRow; isGood: boolean }): Markup =>
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
export const share = ({ used, limit }: Spend): number => (limit === 0 ? 1 : used / limit);
export const toneOf = (spend: Spend): { tone?: "warn" | "bad" } =>
  share(spend) >= 1 ? { tone: "bad" } : share(spend) >= 0.8 ? { tone: "warn" } : {};

export const Revoke = ({ keyRow: { id, name }, csrf }: { keyRow: KeyRow; csrf: string }): Markup => (
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
