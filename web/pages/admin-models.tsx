// Admin models: every model with how it fares, aliases to change, pools, and the bounds of prices.
import type { AdminModelsView, AliasRow, ModelRow, PoolRow } from "../../src/dashboard/admin-models/view.ts";
import { NodeLink } from "../parts/job-state.tsx";
import type { Markup } from "../parts/markup.ts";
import { modelHref } from "../parts/model-href.ts";
import {
  Body,
  Card,
  Csrf,
  Empty,
  Fact,
  Facts,
  Filters,
  Item,
  List,
  Notice,
  Pager,
  Search,
  Status,
  Table,
  Tag,
  Th,
  Why,
} from "../parts/parts.tsx";
import { price } from "../parts/price.ts";
import { settingHref } from "../parts/setting-id.ts";
import { Head, Shell, type Viewer } from "../parts/shell.tsx";
import { dollars, Name, NONE, number, plainName, plural } from "../parts/text.tsx";

export const AdminModels = ({ viewer, view }: { viewer: Viewer; view: AdminModelsView }): Markup => (
  <Shell viewer={viewer} title="Models">
    <Head
      title="Models"
      note={
        <>
          What nodes offer now, private pools included. Models are installed and removed on a{" "}
          <a href="/admin/nodes">node's page</a>.
        </>
      }
    />
    <ModelsCard view={view} />
    <AliasesCard view={view} csrf={viewer.human?.csrf ?? ""} />
    <div class="cols even">
      <Pools pools={view.pools} />
      <Prices view={view} />
    </div>
  </Shell>
);

const ModelsCard = ({ view: { rows, newer, older, total, q, charged } }: { view: AdminModelsView }): Markup => (
  <>
    <Filters list="models-card" action="/admin/models">
      <Search label="Model" value={q} placeholder="Part of its name" />
    </Filters>
    <Card
      id="models"
      title="On offer"
      aside={<span class="note">{plural(total, "model")}</span>}
      {...(newer !== null || older !== null
        ? { footer: <Pager list="models-card" newer={newer} older={older} /> }
        : {})}
    >
      {rows.length === 0 ? (
        <Empty icon="model" title={q === "" ? "No model is on offer" : "No model of that name"}>
          {q === ""
            ? "A node offers what its backends have. Connect one, or install a model on one that is there."
            : "Look for another part of a name, or clear the field."}
        </Empty>
      ) : (
        <Table
          name="Models on offer"
          head={
            <>
              <Th>Model</Th>
              <Th n>Nodes</Th>
              <Th n>Running</Th>
              <Th n>Slots free</Th>
              <Th n>Queue</Th>
              <Th n>Context</Th>
              {charged && <Th n>Input, $ a million</Th>}
              {charged && <Th n>Output, $ a million</Th>}
              <Th n>Tok/s</Th>
              <Th>State</Th>
            </>
          }
        >
          {rows.map((row) => (
            <Row row={row} charged={charged} />
          ))}
        </Table>
      )}
    </Card>
  </>
);

const Row = ({ row, charged }: { row: ModelRow; charged: boolean }): Markup => (
  <tr>
    <td class="whole">
      <a href={modelHref(row.name)}>
        <Name of={row.name} />
      </a>{" "}
      {row.demo && <Tag>demo</Tag>}
      {row.pools
        .filter((pool) => pool !== "public")
        .map((pool) => (
          <Tag>
            <Name of={pool} max={24} />
          </Tag>
        ))}
      {row.aliases.length > 0 && (
        <p class="note">
          also as{" "}
          {row.aliases.slice(0, 4).map((alias, i) => (
            <>
              {i > 0 && ", "}
              <Name of={alias} max={32} />
            </>
          ))}
          {row.aliases.length > 4 && ` and ${row.aliases.length - 4} more`}
        </p>
      )}
    </td>
    <td class="n" data-label="Nodes">
      {row.ready === row.nodes ? number(row.nodes) : `${number(row.ready)} of ${number(row.nodes)}`}
    </td>
    <td class="n end" data-label="Running">
      {number(row.running)}
    </td>
    <td class="n more">{`${number(row.free)} of ${number(row.slots)}`}</td>
    <td class="n" data-label="Queue">
      {number(row.queued)}
    </td>
    <td class="n more">{row.context === null ? NONE : number(row.context)}</td>
    {charged && <td class="n more">{price(row.input.from, row.input.to)}</td>}
    {charged && <td class="n more">{price(row.output.from, row.output.to)}</td>}
    <td class="n more">{row.outputPerS < 0.5 ? NONE : number(row.outputPerS)}</td>
    <td class="end">
      <Fares row={row} />
    </td>
  </tr>
);
function Fares({ row: { open, ready, nodes, free, queued } }: { row: ModelRow }): Markup {
  if (ready === 0) return <Status tone="bad">No node takes work</Status>;
  if (open > 0)
    return <Status tone="warn">{open === nodes ? "Fails everywhere" : `Fails on ${plural(open, "node")}`}</Status>;
  if (queued > 0) return <Status tone="wait">Waiting</Status>;
  return free === 0 ? <Status tone="live">Full</Status> : <Status tone="ok">Ready</Status>;
}

/** The aliases, each with the form that changes it. */
export const AliasesCard = ({ view, csrf }: { view: AdminModelsView; csrf: string }): Markup => {
  const { aliases, fixedBy, fault } = view;
  return (
    <Card id="aliases" title="Aliases" aside={<span class="note">{plural(aliases.length, "name")}</span>}>
      <Body>
        <p class="note">
          Other names that clients may ask for. Each stands for the first of its models that can serve, and wins over a
          model of the same name.
        </p>
        {fixedBy !== null && (
          <Notice tone="warn" title="They are fixed">
            <code>{fixedBy}</code> says what they are. Change it there and start again.
          </Notice>
        )}
      </Body>
      {aliases.length > 0 && (
        <ul class="aliases">
          {aliases.map((alias, i) => (
            <Alias
              alias={alias}
              at={i}
              csrf={csrf}
              fixed={fixedBy !== null}
              fault={fault?.of === alias.name ? fault : null}
            />
          ))}
        </ul>
      )}
      {fixedBy === null && (
        <details class="new" open={fault?.of === null}>
          <summary>Add an alias</summary>
          <AliasForm
            csrf={csrf}
            former={null}
            name={fault?.of === null ? fault.name : ""}
            models={fault?.of === null ? fault.models : ""}
            id="alias-new"
            words={fault?.of === null ? fault.words : null}
          />
        </details>
      )}
    </Card>
  );
};

type Fault = AdminModelsView["fault"];
const Alias = ({
  alias,
  at,
  csrf,
  fixed,
  fault,
}: {
  alias: AliasRow;
  at: number;
  csrf: string;
  fixed: boolean;
  fault: Fault;
}): Markup => (
  <li>
    <div class="row spread">
      <div>
        <b>
          <Name of={alias.name} />
        </b>
        <ol class="route">
          {alias.models.map(({ name, served }, i) => (
            <li>
              {i > 0 && <span aria-hidden="true">then </span>}
              {served ? (
                <a href={modelHref(name)}>
                  <Name of={name} />
                </a>
              ) : (
                <span>
                  <Name of={name} /> <span class="note">(nobody serves it)</span>
                </span>
              )}
            </li>
          ))}
        </ol>
      </div>
      {!fixed && (
        <form method="post" action="/admin/models/aliases/delete" hx-post="/admin/models/aliases/delete" hx-swap="none">
          <Csrf token={csrf} />
          <input type="hidden" name="name" value={alias.name} />
          <button type="submit" id={`alias-${at}-delete`} aria-label={`Delete ${plainName(alias.name)}`}>
            Delete
          </button>
        </form>
      )}
    </div>
    {!fixed && (
      <details open={fault !== null}>
        <summary>
          Change<span class="hidden"> {plainName(alias.name)}</span>
        </summary>
        <AliasForm
          csrf={csrf}
          former={alias.name}
          name={fault?.name ?? alias.name}
          models={fault?.models ?? alias.models.map(({ name }) => name).join("\n")}
          id={`alias-${at}`}
          words={fault?.words ?? null}
        />
      </details>
    )}
  </li>
);

type FormProps = {
  csrf: string;
  former: string | null;
  name: string;
  models: string;
  id: string;
  words: string | null;
};
const AliasForm = ({ csrf, former, name, models, id, words }: FormProps): Markup => (
  <form class="fields" method="post" action="/admin/models/aliases" hx-post="/admin/models/aliases" hx-swap="none">
    <Csrf token={csrf} />
    {former !== null && <input type="hidden" name="former" value={former} />}
    <label for={`${id}-name`}>
      Name
      <input
        id={`${id}-name`}
        name="name"
        value={name}
        maxlength={256}
        autocomplete="off"
        spellcheck={false}
        placeholder="gpt-4o"
        aria-invalid={words === null ? undefined : "true"}
        aria-describedby={words === null ? undefined : `${id}-why`}
      />
    </label>
    <label for={`${id}-models`}>
      Models, one a line, the first choice first
      <textarea
        id={`${id}-models`}
        name="models"
        rows={3}
        maxlength={4200}
        spellcheck={false}
        placeholder={"llama3.3:70b\nqwen3:32b"}
      >
        {models}
      </textarea>
    </label>
    {words !== null && <Why id={`${id}-why`}>{words}</Why>}
    <div class="row">
      <button type="submit" class="act" id={`${id}-save`}>
        {former === null ? "Add alias" : "Save alias"}
      </button>
    </div>
  </form>
);

const Pools = ({ pools }: { pools: readonly PoolRow[] }): Markup => (
  <Card id="pools" title="Pools">
    <Table
      name="Table of pools"
      head={
        <>
          <Th>Pool</Th>
          <Th n>Nodes here</Th>
          <Th n>Slots</Th>
          <Th n>Models</Th>
          <Th n>Keys</Th>
        </>
      }
    >
      {pools.map(({ name, nodes, online, slots, models, keys }) => (
        <tr>
          <td>
            <a href={`/admin/nodes?pool=${encodeURIComponent(name)}`}>
              <Name of={name} />
            </a>
          </td>
          <td class="n end">{online === nodes ? number(nodes) : `${number(online)} of ${number(nodes)}`}</td>
          <td class="n more">{number(slots)}</td>
          <td class="n more">{number(models)}</td>
          <td class="n more">{name === "public" ? "all" : number(keys)}</td>
        </tr>
      ))}
    </Table>
    <Body>
      <p class="note">
        A node's pool is set on its page, a key's pools when it is made. Only keys with a pool's right reach its nodes.
      </p>
    </Body>
  </Card>
);

const PRICE_WORDS = ["Prompt, at least", "Prompt, at most", "Output, at least", "Output, at most"];
const Prices = ({ view: { prices, refused, moreRefused } }: { view: AdminModelsView }): Markup => (
  <Card id="prices" title="Bounds of prices" aside={<span class="note">a million tokens</span>}>
    <Body>
      <Facts>
        {prices.map(({ key, value }, i) => (
          <Fact name={PRICE_WORDS[i] ?? key}>
            <a href={settingHref(key)}>{dollars(value)}</a>
          </Fact>
        ))}
      </Facts>
      {refused.length === 0 && <p class="note">No node asks for more or less.</p>}
    </Body>
    {refused.length > 0 && (
      <List>
        {refused.map((node) => (
          <Item tone="warn">
            <NodeLink {...node} />
            <p class="note">
              <bdi>{plainName(node.why, 320)}</bdi>
            </p>
          </Item>
        ))}
        {moreRefused > 0 && <Item tone="warn">{`${number(moreRefused)} more nodes`}</Item>}
      </List>
    )}
  </Card>
);
