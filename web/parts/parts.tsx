// Parts: what pages are put together from. Their looks are in assets/base.css; names are the design's.
import type { Child } from "hono/jsx";
import { Icon } from "./icon.tsx";
import type { Markup } from "./markup.ts";
import { NONE } from "./text.tsx";

/** Done or well, under way, waiting, of doubt, gone wrong, not there. Always with a word beside it. */
export type Tone = "ok" | "live" | "wait" | "warn" | "bad" | "off";

export const Status = ({ tone, children, id }: { tone: Tone; children?: Child; id?: string }): Markup => (
  <span class={`status ${tone}`} id={id}>
    <Icon name={tone} />
    <span>{children}</span>
  </span>
);
export const Tag = ({ children }: { children?: Child }): Markup => <span class="tag">{children}</span>;

type CardProps = {
  /** Of the heading, unique in the page; the card has `${id}-card`. */
  id: string;
  title: string;
  /** Beside the heading: a note, a legend, buttons. */
  aside?: Child;
  footer?: Child;
  children?: Child;
};
/** Its children stand in it as they are: `<Body>`, `<Table>`, `<List>`. */
export const Card = ({ id, title, aside, footer, children }: CardProps): Markup => (
  <section class="card" id={`${id}-card`} aria-labelledby={id}>
    <header>
      <h2 id={id}>{title}</h2>
      {aside}
    </header>
    {children}
    {footer !== undefined && <footer>{footer}</footer>}
  </section>
);
export const Body = ({ children }: { children?: Child }): Markup => <div class="body stack">{children}</div>;

/** The row of figures below a page's head. */
export const Figures = ({ id, children }: { id?: string; children?: Child }): Markup => (
  <dl class="card figures" id={id}>
    {children}
  </dl>
);
type FigureProps = { label: string; value: string; unit?: string; note?: Child; children?: Child };
/** `children`: a spark below it. */
export const Figure = ({ label, value, unit, note, children }: FigureProps): Markup => (
  <div class="figure">
    <dt>{label}</dt>
    <dd>
      <b>
        {value}
        {unit !== undefined && <small>{unit}</small>}
      </b>
      <span>{note}</span>
      {children}
    </dd>
  </div>
);

/** A small line of values, the newest last; `tone` 1 to 3 as in charts. */
export function Spark({ values, tone = 1 }: { values: readonly number[]; tone?: 1 | 2 | 3 }): Markup {
  if (values.length < 2) return <span class="spark" aria-hidden="true"></span>;
  const top = Math.max(...values, 1e-9);
  const step = 100 / (values.length - 1);
  const points = values.map((value, i) => `${(i * step).toFixed(1)} ${(24 - (value / top) * 21).toFixed(1)}`);
  const line = `M${points.join("L")}`;
  return (
    <svg class={`spark s${tone}`} viewBox="0 0 100 26" preserveAspectRatio="none" aria-hidden="true">
      <path class="area" d={`${line}L100 26L0 26Z`} />
      <path d={line} />
    </svg>
  );
}

/** `share`: 0 to 1. `label`: what a screen reader says. */
export function Meter({ share, label, tone }: { share: number; label: string; tone?: Tone }): Markup {
  const percent = Number.isFinite(share) ? Math.round(Math.min(1, Math.max(0, share)) * 1000) / 10 : 0;
  return (
    <svg class={`meter ${tone ?? ""}`} role="img" aria-label={label}>
      <rect width={`${percent}%`} height="6" />
    </svg>
  );
}
type ScoreProps = { label: Child; value: string; share: number; says: string; tone?: Tone; note?: Child };
/** A labelled meter with its value, and a note below. */
export const Score = ({ label, value, share, says, tone, note }: ScoreProps): Markup => (
  <div class="score">
    <span>{label}</span>
    <span class="num">{value}</span>
    <Meter share={share} label={says} {...(tone === undefined ? {} : { tone })} />
    {note !== undefined && <small>{note}</small>}
  </div>
);

export const Facts = ({ children }: { children?: Child }): Markup => <dl class="facts">{children}</dl>;
export const Fact = ({ name, children }: { name: Child; children?: Child }): Markup => (
  <>
    <dt>{name}</dt>
    <dd>{children ?? NONE}</dd>
  </>
);

/** A wide table scrolls in itself; `name` is what a screen reader calls it. Rows become items on phones (`folds`). */
export const Table = ({
  name,
  head,
  children,
  id,
}: {
  name: string;
  head: Child;
  children?: Child;
  id?: string;
}): Markup => (
  <div class="scroll" tabindex={0} role="region" aria-label={name}>
    <table class="folds">
      <thead>
        <tr>{head}</tr>
      </thead>
      <tbody id={id}>{children}</tbody>
    </table>
  </div>
);
export const Th = ({
  n = false,
  hide = false,
  children,
}: {
  n?: boolean;
  hide?: boolean;
  children?: Child;
}): Markup => (
  <th scope="col" class={n ? "n" : undefined}>
    {hide ? <span class="hidden">{children}</span> : children}
  </th>
);
type SortProps = { href: string; sorted: "ascending" | "descending" | null; n?: boolean; children?: Child };
/** A heading that sorts; the list's `<nav>` or form says where the answer goes. */
export const SortTh = ({ href, sorted, n = false, children }: SortProps): Markup => (
  <th scope="col" class={n ? "n" : undefined} aria-sort={sorted ?? "none"}>
    <a href={href}>
      {children}
      {sorted !== null && <span aria-hidden="true">{sorted === "descending" ? " ↓" : " ↑"}</span>}
    </a>
  </th>
);

export const List = ({ children, id }: { children?: Child; id?: string }): Markup => (
  <ul class="list" id={id}>
    {children}
  </ul>
);
/** `act`: a button or link on the right. */
export const Item = ({ tone, act, children }: { tone: Tone; act?: Child; children?: Child }): Markup => (
  <li class={tone}>
    <Icon name={tone} />
    <div>{children}</div>
    {act}
  </li>
);

export const Notice = ({ tone, title, children }: { tone: Tone; title: string; children?: Child }): Markup => (
  <div class={`notice ${tone}`}>
    <Icon name={tone} />
    <div>
      <b>{title}</b>
      <p>{children}</p>
    </div>
  </div>
);

type EmptyProps = { icon: string; title: string; act?: Child; children?: Child; level?: 2 | 3; tone?: Tone };
/** Nothing there yet: what it is for, and the one thing to do. `level` 2 where it stands outside a card. */
export const Empty = ({ icon, title, act, children, level = 3, tone }: EmptyProps): Markup => (
  <div class={`empty ${tone ?? ""}`}>
    <Icon name={icon} />
    {level === 2 ? <h2>{title}</h2> : <h3>{title}</h3>}
    <p>{children}</p>
    {act}
  </div>
);

/** Choices of one thing, as links: ranges of time, one model or two. */
export const Segments = ({
  name,
  all,
}: {
  name: string;
  all: readonly { href: string; label: string; here: boolean }[];
}): Markup => (
  <nav class="segments" aria-label={name}>
    {all.map(({ href, label, here }) => (
      <a href={href} aria-current={here ? "true" : undefined}>
        {label}
      </a>
    ))}
  </nav>
);

/** A button that copies `text`. */
export const Copy = ({ text, label }: { text: string; label: string }): Markup => (
  <button type="button" class="plain icon" data-do="copy" data-text={text} aria-label={label}>
    <Icon name="copy" />
  </button>
);

type PagerProps = {
  /** Of the card that the list stands in: it is swapped as a whole. */
  list: string;
  newer: string | null;
  older: string | null;
};
/** To the next page by cursor; nothing where all is on this one. The list is fetched in place; without script the links work as links. */
export function Pager({ list, newer, older }: PagerProps): Markup {
  if (newer === null && older === null) return <></>;
  return (
    <nav class="row" aria-label="Pages">
      <PageLink list={list} id={`${list}-newer`} href={newer}>
        <Icon name="prev" />
        Newer
      </PageLink>
      <PageLink list={list} id={`${list}-older`} href={older}>
        Older
        <Icon name="next" />
      </PageLink>
    </nav>
  );
}
function PageLink({
  list,
  id,
  href,
  children,
}: {
  list: string;
  id: string;
  href: string | null;
  children?: Child;
}): Markup {
  if (href === null) {
    return (
      <button type="button" id={id} disabled>
        {children}
      </button>
    );
  }
  const at = `#${list}`;
  return (
    <a
      class="button"
      id={id}
      href={href}
      hx-get={href}
      hx-push-url="true"
      hx-target={at}
      hx-select={at}
      hx-swap="outerHTML show:top"
      hx-indicator={at}
    >
      {children}
    </a>
  );
}

/**
 * A form that filters the list with this id: at once with script, by its button without. What was chosen last counts: it
 * does not wait for an answer that is under way, whose swap would take away the list that it is to fill.
 */
export const Filters = ({ list, action, children }: { list: string; action: string; children?: Child }): Markup => (
  <form
    class="filters"
    action={action}
    method="get"
    role="search"
    hx-get={action}
    hx-target={`#${list}`}
    hx-select={`#${list}`}
    hx-swap="outerHTML"
    hx-indicator={`#${list}`}
    hx-trigger="submit, change"
    hx-sync="this:replace"
    hx-push-url="true"
  >
    {children}
    <button type="submit">Filter</button>
  </form>
);
export const Select = ({
  name,
  label,
  value,
  options,
}: {
  name: string;
  label: string;
  value: string;
  options: readonly (readonly [value: string, label: string])[];
}): Markup => (
  <label>
    {label}
    <select name={name}>
      {options.map(([of, text]) => (
        <option value={of} selected={of === value}>
          {text}
        </option>
      ))}
    </select>
  </label>
);
export const Search = ({
  name = "q",
  label,
  value,
  placeholder,
}: {
  name?: string;
  label: string;
  value: string;
  placeholder: string;
}): Markup => (
  <label>
    {label}
    <input type="search" name={name} value={value} placeholder={placeholder} maxlength={128} autocomplete="off" />
  </label>
);

/** What is wrong with a field, below it; the field names it by `aria-describedby`. */
export const Why = ({ id, children }: { id?: string; children?: Child }): Markup => (
  <p class="why" id={id}>
    <Icon name="bad" />
    <span>{children}</span>
  </p>
);
/** For forms that work without script: proves that the page is ours. */
export const Csrf = ({ token }: { token: string }): Markup => <input type="hidden" name="csrf_token" value={token} />;

export type Series = { name: string; tone: 1 | 2 | 3 };
export const Legend = ({ series }: { series: readonly Series[] }): Markup => (
  <ul class="legend">
    {series.map(({ name, tone }) => (
      <li>
        <i class={`s${tone}`}></i>
        {name}
      </li>
    ))}
  </ul>
);
type TimeChartProps = {
  id: string;
  /** One sentence for who does not see it. */
  says: string;
  series: readonly string[];
  /** Unix seconds, then a value for each series; null where there is none. */
  rows: readonly (readonly (number | null)[])[];
  /** Named server-sent event that adds a row: `[s, …values]`. */
  event?: string;
  /** Rows kept while they come. */
  keep?: number;
  /** Highest value of the axis, where it is fixed. */
  max?: number;
};
/** A line over time, in a `.body`; its colours are those of the legend in the same card. The table is the chart, to read. */
export const TimeChart = ({ id, says, series, rows, event, keep, max }: TimeChartProps): Markup => (
  <time-chart id={id} hx-preserve="" data-event={event} data-keep={keep} data-max={max}>
    <div class="plot" role="img" aria-label={says}></div>
    <details>
      <summary>Show as a table</summary>
      <div class="scroll tall" tabindex={0} role="region" aria-label={`Data: ${says}`}>
        <table>
          <thead>
            <tr>
              <Th>Time</Th>
              {series.map((name) => (
                <Th n>{name}</Th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map(([s, ...values]) => (
              <tr>
                <td data-v={s}>{new Date((s ?? 0) * 1000).toISOString().slice(0, 16).replace("T", " ")}</td>
                {values.map((value) => (
                  <td class="n">{value ?? NONE}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </details>
  </time-chart>
);
