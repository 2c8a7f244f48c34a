// State: how a node stands, its figures, and what keeps it from work. All of it changes while the page is open.
import type { Child } from "hono/jsx";
import type { Note } from "../../../src/dashboard/nodes/notes.ts";
import type { NodeShown, ShownState } from "../../../src/dashboard/nodes/shown.ts";
import type { NodeDay } from "../../../src/stats/stats.ts";
import type { Markup } from "../../parts/markup.ts";
import { Figure, Figures, Notice, Status, type Tone } from "../../parts/parts.tsx";
import { STATE_TONE, stateWords } from "../../parts/states.ts";
import { Ago, dollars, duration, NONE, number, plainName } from "../../parts/text.tsx";

export const toneOf = (state: ShownState): Tone =>
  state === "pending" ? "wait" : state === "ejected" ? "bad" : STATE_TONE[state];
export const wordsOf = (state: ShownState, free: number): string =>
  state === "pending" ? "Waits for approval" : state === "ejected" ? "Ejected" : stateWords(state, free);

export const NodeState = ({ node }: { node: NodeShown }): Markup => {
  const { state, free, sinceMs, nowMs } = node;
  const away = state === "offline" || state === "pending" || state === "ejected";
  return (
    <Status id="node-state" tone={toneOf(state)}>
      {wordsOf(state, free)}
      {sinceMs !== null &&
        (away ? (
          <>
            , seen <Ago ms={sinceMs} nowMs={nowMs} />
          </>
        ) : (
          `, ${since(nowMs - sinceMs)}`
        ))}
    </Status>
  );
};

/** By the minute at most: it changes while one looks. */
function since(ms: number): string {
  if (ms < 60_000) return "just came online";
  return `online for ${ms < 3_600_000 ? `${Math.floor(ms / 60_000)} min` : duration(ms)}`;
}

/** What it says or what was said of it: strangers' words, in one line each. */
export const Notes = ({ notes }: { notes: readonly Note[] }): Markup => (
  <div class="stack" id="node-notes" hidden={notes.length === 0}>
    {notes.map(({ tone, title, words }) => (
      <Notice tone={tone} title={title}>
        <bdi>{withCode(plainName(words, 400))}</bdi>
      </Notice>
    ))}
  </div>
);

/** What stands in backticks is to be typed. */
const withCode = (words: string): Child[] =>
  words.split("`").map((part, i) => (i % 2 === 1 ? <code>{part}</code> : part));

const percent = (share: number): string => number(Math.floor(share * 1000) / 10, share === 1 ? 0 : 1);
const sum = (days: readonly NodeDay[], of: (day: NodeDay) => number): number =>
  days.reduce((total, day) => total + of(day), 0);

export function NodeFigures({ node }: { node: NodeShown }): Markup {
  const { inner, slots, running, uptime } = node;
  const today = inner?.days.at(-1);
  const isElsewhere = node.state === "elsewhere";
  return (
    <Figures id="node-figures">
      <Figure
        label="Output now"
        {...(isElsewhere ? { value: NONE } : { value: number(node.outputPerS), unit: "tok/s" })}
        note={
          isElsewhere
            ? "linked to another coordinator of this network"
            : slots > 0
              ? `${number(running)} of ${number(slots)} slots busy`
              : "no slots"
        }
      />
      <Figure
        label="Uptime, 30 days"
        value={uptime === null ? NONE : percent(uptime)}
        {...(uptime === null ? {} : { unit: "%" })}
        note={uptime === null ? "too new to say" : ""}
      />
      {today && (
        <Figure
          label="Jobs today"
          value={number(today.completed + today.failed)}
          note={`${number(today.completed)} done, ${number(today.failed)} failed`}
        />
      )}
      {today && (
        <Figure
          label="Tokens today"
          value={number(today.completionTokens)}
          unit="out"
          note={`${number(today.promptTokens)} read`}
        />
      )}
      {inner && today && node.billing && (
        <Figure
          label="Earned today"
          value={dollars(today.earned)}
          note={`${dollars(sum(inner.days, ({ earned }) => earned))} in 30 days`}
        />
      )}
    </Figures>
  );
}
