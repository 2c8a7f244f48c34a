// Audit log: who did what, and whether the log holds.

import type { AuditEntryView, Change, Named, Sentence } from "../../src/dashboard/audit/entries.ts";
import type { AuditPageView, VerifyView } from "../../src/dashboard/audit.ts";
import { visibleJson } from "../parts/call.ts";
import { Icon } from "../parts/icon.tsx";
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
  Notice,
  Pager,
  Search,
  Select,
  Table,
  Th,
  Why,
} from "../parts/parts.tsx";
import { Head, Shell, type Viewer } from "../parts/shell.tsx";
import { Ago, Name, NONE, number, plainName, plural, When } from "../parts/text.tsx";
import { actionOptions } from "./audit-words.ts";

export const AuditLog = ({ viewer, view }: { viewer: Viewer; view: AuditPageView }): Markup => {
  const { wanted } = view;
  return (
    <Shell viewer={viewer} title="Audit log">
      <Head
        title="Audit log"
        note="Who did what that touches security or money. Entries are only added, each sealed with the hash of the one before."
      >
        <a class="button" href={view.exportHref} download="audit.jsonl">
          <Icon name="down" />
          Export
        </a>
      </Head>
      <VerifyCard view={view.verify} csrf={viewer.human?.csrf ?? ""} />
      <Filters list="log-card" action="/admin/audit">
        <Select name="action" label="What" value={wanted.action} options={actionOptions(view.kinds)} />
        <Search name="actor" label="Who" value={wanted.actor} placeholder="local, user/… or node/…" />
        <Search name="subject" label="About" value={wanted.subject} placeholder="An id, a key, a setting" />
        <Day name="from" label="From" value={wanted.from} />
        <Day name="to" label="To" value={wanted.to} />
      </Filters>
      <Log view={view} />
    </Shell>
  );
};

const Day = ({ name, label, value }: { name: string; label: string; value: string }): Markup => (
  <label>
    {label}
    <input type="date" name={name} value={value} />
  </label>
);

const Log = ({ view: { entries, newer, older } }: { view: AuditPageView }): Markup => (
  <Card
    id="log"
    title="Entries"
    {...(newer !== null || older !== null ? { footer: <Pager list="log-card" newer={newer} older={older} /> } : {})}
  >
    {entries.length === 0 ? (
      <Empty
        icon="log"
        title="Nothing of that kind"
        act={
          <a class="button" href="/admin/audit">
            Show everything
          </a>
        }
      >
        Look for another act, somebody else or another time.
      </Empty>
    ) : (
      <Table
        name="Audit log"
        head={
          <>
            <Th n>No.</Th>
            <Th>When</Th>
            <Th>What</Th>
            <Th>From</Th>
          </>
        }
      >
        {entries.map((entry) => (
          <Entry entry={entry} />
        ))}
      </Table>
    )}
  </Card>
);

const Entry = ({ entry }: { entry: AuditEntryView }): Markup => (
  <tr id={`entry-${entry.seq}`}>
    <td class="n key">{number(entry.seq)}</td>
    <td class="end when">
      <When ms={entry.atMs} />
    </td>
    <td class="whole wrap" title={plainName(`${entry.actor} · ${entry.subject}`, 256)}>
      <Words of={entry.sentence} />
      <details class="raw">
        <summary>
          Details<span class="hidden"> of entry {number(entry.seq)}</span>
        </summary>
        <Changes changes={entry.changes} />
        <pre tabindex={0}>{visibleJson(entry.raw, 2)}</pre>
      </details>
    </td>
    <td class="more">{entry.from === "" ? <span class="note">{NONE}</span> : <code>{plainName(entry.from)}</code>}</td>
  </tr>
);

const MAX_WORDS = 200;
/** Words between the things, each of which is text of strangers as well. */
const Words = ({ of }: { of: Sentence }): Markup => (
  <>
    {of.map((part) => {
      if (typeof part !== "string") return <Linked of={part} />;
      return part === "" ? null : <Spaced text={part} />;
    })}
  </>
);
/** A plain part keeps the spaces around it. */
const Spaced = ({ text }: { text: string }): Markup => (
  <>
    {text.startsWith(" ") && " "}
    <bdi>{plainName(text, MAX_WORDS)}</bdi>
    {text.endsWith(" ") && " "}
  </>
);

const Linked = ({ of: { name, href } }: { of: Named }): Markup =>
  href === null ? (
    <b>
      <Name of={name} max={80} />
    </b>
  ) : (
    <a href={href}>
      <Name of={name} max={80} />
    </a>
  );

const Changes = ({ changes }: { changes: readonly Change[] }): Markup => (
  <ul class="diff">
    {changes.map(({ name, before, after, href = null }) => (
      <li>
        {name !== "" && (
          <span class="note">
            <Name of={name} max={40} />:{" "}
          </span>
        )}
        {before !== null && (
          <del>
            <Name of={before} max={160} />
          </del>
        )}
        {before !== null && after !== null && <span aria-hidden="true"> → </span>}
        {after !== null && (
          <ins>
            {href === null ? (
              <Name of={after} max={160} />
            ) : (
              <a href={href}>
                <Name of={after} max={160} />
              </a>
            )}
          </ins>
        )}
      </li>
    ))}
  </ul>
);

/** While a look is under way it asks for itself again. */
export const VerifyCard = ({ view, csrf }: { view: VerifyView; csrf: string }): Markup => {
  const { look, head, kept, fault, nowMs } = view;
  return (
    <Card id="verify" title="Does the log hold?">
      <Body>
        <Verdict look={look} nowMs={nowMs} />
        {look.runningMs !== null && (
          <div
            hx-get="/admin/audit/verify"
            hx-trigger="load delay:2s"
            hx-target="#verify-card"
            hx-swap="outerHTML"
          ></div>
        )}
        <Facts>
          <Fact name="Newest entry">{number(head.seq)}</Fact>
          <Fact name="Its head, to be kept elsewhere">
            <code>{`${head.seq}:${head.hash.slice(0, 16)}…`}</code>
            <Copy text={`${head.seq}:${head.hash}`} label="Copy the head" />
          </Fact>
        </Facts>
        <form
          class="filters"
          method="post"
          action="/admin/audit/verify"
          hx-post="/admin/audit/verify"
          hx-target="#verify-card"
          hx-swap="outerHTML"
          hx-indicator="#verify-card"
        >
          <Csrf token={csrf} />
          <label>
            Compare with a head you kept
            <input
              id="kept"
              name="kept"
              value={kept}
              maxlength={128}
              autocomplete="off"
              spellcheck={false}
              placeholder="Left empty: the chain alone"
              aria-invalid={fault === null ? undefined : "true"}
              aria-describedby={fault === null ? undefined : "kept-why"}
            />
          </label>
          <button type="submit" id="verify-now" class="act" disabled={look.runningMs !== null}>
            Verify
          </button>
        </form>
        {fault !== null && <Why id="kept-why">{fault}</Why>}
      </Body>
    </Card>
  );
};

function Verdict({ look: { runningMs, last, failed }, nowMs }: Pick<VerifyView, "look" | "nowMs">): Markup {
  if (runningMs !== null) {
    return (
      <p class="note" role="status">
        Every entry is being looked at, since <Ago ms={runningMs} nowMs={nowMs} />.
      </p>
    );
  }
  if (failed !== null) {
    return (
      <Notice tone="bad" title="It could not be looked at">
        {plainName(failed, 256)}
      </Notice>
    );
  }
  if (last === null) return <p class="note">Nobody looked since this instance started.</p>;
  if (last.broken !== null) {
    return (
      <Notice
        tone="bad"
        title={last.kept === null ? "The log was tampered with" : "It does not hold, or not with that head"}
      >
        {sentence(last.broken.message)} Seen <Ago ms={last.endedMs} nowMs={nowMs} />.{" "}
        <a href={`/admin/audit?after=${last.broken.seq + 2}#entry-${last.broken.seq}`}>
          Go to entry {number(last.broken.seq)}
        </a>
      </Notice>
    );
  }
  const also = last.kept === null ? "" : `, and the log still contains entry ${number(last.kept.seq)} as you kept it`;
  return (
    <Notice tone="ok" title="It holds">
      {plural(last.entries, "entry", "entries")} verified{also}. Seen <Ago ms={last.endedMs} nowMs={nowMs} />.
    </Notice>
  );
}
const sentence = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
