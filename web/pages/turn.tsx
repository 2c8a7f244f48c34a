// Turn: a question, its answer, the way that it took and what it cost; as a whole, and piece by piece while it comes.
// What models write is text and stays text.
import { Icon } from "../parts/icon.tsx";
import type { Markup } from "../parts/markup.ts";
import { Partial } from "../parts/partial.tsx";
import { Copy, Status, type Tone } from "../parts/parts.tsx";
import { Answer } from "../parts/prose.tsx";
import { dollars, duration, Name, number, plainName } from "../parts/text.tsx";

export type TurnView = {
  /** The job's. */
  id: string;
  side: 0 | 1;
  /** Who answers, as far as known. */
  model: string;
  message: string;
  text: string;
  thinking: string;
  calls: readonly Call[];
  way: Way;
  /** Null while it goes on. */
  end: End | null;
};
type Call = { name: string; arguments: string };
/** The nodes that it was given to, one after the other. */
export type Way = {
  waits: boolean;
  tries: readonly {
    node: string;
    name: string;
    gpu: string | null;
    failed: "failed" | "refused" | "lost" | "timed_out" | null;
    /** It took over what was begun. */
    wentOn: boolean;
  }[];
};
type End = {
  state: "completed" | "stopped" | "failed" | "refused";
  error: { code: string; message: string } | null;
  /** Null where there was no job. */
  figures: {
    firstMs: number | null;
    perS: number | null;
    tokens: number | null;
    /** µ$; null where nothing is charged. */
    charged: number | null;
    /** It was cut at the longest answer. */
    cut: boolean;
  } | null;
};

/** Of links: the conversation is in this page and nowhere else, so what they lead to opens beside it. */
const BESIDE = { target: "_blank", rel: "noopener" };

export const Turn = ({ turn }: { turn: TurnView }): Markup => (
  <div class="turn" id={`turn-${turn.id}`} data-side={turn.side} data-open={turn.end === null ? "" : undefined}>
    <You text={turn.message} />
    <Reply turn={turn} />
  </div>
);

export const You = ({ text }: { text: string }): Markup => (
  <p class="you" dir="auto">
    <span class="hidden">You: </span>
    {text}
  </p>
);

/** While it comes, pieces are put into it by the ids in it; at its end all of it is replaced. */
const Reply = ({ turn }: { turn: TurnView }): Markup => {
  const { id, thinking, text, calls, way, end } = turn;
  const isEmpty = text === "" && thinking === "" && calls.length === 0;
  return (
    <div class="stack reply" id={`reply-${id}`}>
      <details class="thinking" hidden={end !== null && thinking === ""}>
        <summary>Thinking</summary>
        <div class="answer" id={`thinking-${id}`} dir="auto">
          {thinking}
        </div>
      </details>
      {end === null ? (
        <div class="answer" id={`text-${id}`} dir="auto" aria-busy="true">
          {text}
        </div>
      ) : (
        <Answer id={id} text={text} />
      )}
      <div id={`calls-${id}`}>
        <Calls calls={calls} />
      </div>
      {end !== null && (end.state !== "completed" || isEmpty) && <Why id={id} end={end} />}
      <div class="foot">
        <WayLine id={id} way={way} />
        {end?.figures && <Figures id={id} figures={end.figures} />}
        {end !== null && text !== "" && <Copy text={text} label="Copy the answer" />}
      </div>
    </div>
  );
};

const Calls = ({ calls }: { calls: readonly Call[] }): Markup => (
  <>
    {calls.map((call) => (
      <>
        <p class="note">
          Wants to call <b>{plainName(call.name)}</b>
        </p>
        <pre class="code" dir="ltr" tabindex={0} role="region" aria-label={`Arguments of ${plainName(call.name)}`}>
          {call.arguments}
        </pre>
      </>
    ))}
  </>
);

const FAILED = { failed: "failed", refused: "refused", lost: "lost", timed_out: "too slow" } as const;
const Next = (): Markup => <Icon name="next" />;

const WayLine = ({ id, way: { waits, tries } }: { id: string; way: Way }): Markup => (
  <div class="route" id={`way-${id}`}>
    <span>You</span>
    <Next />
    <span>coordinator</span>
    {tries.map(({ node, name, gpu, failed, wentOn }) => (
      <>
        <Next />
        {wentOn && <span>went on with</span>}
        {failed ? (
          <>
            <s>
              <Name of={name} max={32} />
            </s>
            <span class="note">{FAILED[failed]}</span>
          </>
        ) : (
          <>
            <b>
              <a href={`/nodes/${encodeURIComponent(node)}`} {...BESIDE}>
                <Name of={name} max={32} />
              </a>
            </b>
            {gpu !== null && (
              <span>
                <Name of={gpu} max={32} />
              </span>
            )}
          </>
        )}
      </>
    ))}
    {waits && (
      <>
        <Next />
        <span>waits for a free slot</span>
      </>
    )}
  </div>
);

const Figures = ({ id, figures }: { id: string; figures: NonNullable<End["figures"]> }): Markup => {
  const { firstMs, perS, tokens, charged, cut } = figures;
  const said = [
    firstMs === null ? "" : `first token ${duration(firstMs)}`,
    perS === null ? "" : `${number(perS, perS < 10 ? 1 : 0)} tok/s`,
    tokens === null ? "" : `${number(tokens)} ${tokens === 1 ? "token" : "tokens"}`,
    charged === null ? "" : dollars(charged),
    cut ? "cut at the longest answer" : "",
  ];
  return (
    <span class="num note">
      {said.filter((part) => part !== "").join(" · ")}{" "}
      <a href={`/jobs/${encodeURIComponent(id)}`} {...BESIDE}>
        Job
      </a>
    </span>
  );
};

type Help = { title: string; tone?: Tone; do?: { href: string; label: string }; words?: string };
/** What to do about it, by code. */
const HELP: Readonly<Record<string, Help>> = {
  insufficient_credit: { title: "Not enough credit", do: { href: "/billing", label: "Add credit" } },
  model_not_found: { title: "Nobody serves this model", do: { href: "/models", label: "See the models" } },
  no_nodes_online: { title: "No node is online for this model", words: "Try again in a moment, or choose another." },
  no_matching_node: { title: "No node meets these wishes", words: "Loosen the route or the pool." },
  queue_full: { title: "Too many wait for this model", words: "Try again in a moment, or choose another model." },
  queue_timeout: { title: "It waited too long", words: "All nodes were busy. Try again." },
  context_length_exceeded: {
    title: "This conversation is too long for the model",
    words: "Clear it, or choose a model with more context.",
  },
  node_lost: { title: "The node was lost", words: "What came until then is above." },
};

/** Why there is no answer, or no more of it, and what to do. */
const Why = ({ id, end }: { id: string; end: End }): Markup => {
  if (end.state === "completed") return <p class="note">The answer is empty.</p>;
  if (end.state === "stopped") return <Status tone="off">Stopped</Status>;
  const help = HELP[end.error?.code ?? ""] ?? { title: "No answer" };
  return (
    <div class="notice bad">
      <Icon name="bad" />
      <div class="stack">
        <b>{help.title}</b>
        <p dir="auto">{end.error?.message}</p>
        {help.words !== undefined && <p>{help.words}</p>}
        <div class="row">
          <button type="submit" name="again" value="1" formnovalidate id={`again-${id}`}>
            Try again
          </button>
          {help.do && (
            <a class="button" href={help.do.href} {...BESIDE}>
              {help.do.label}
            </a>
          )}
          <code>{end.error?.code}</code>
        </div>
      </div>
    </div>
  );
};

type OpeningProps = { turn: TurnView; history: string; instead: string | null };
/** The turn as it begins, below the others or in the place of one. */
export const Opening = ({ turn, history, instead }: OpeningProps): Markup => (
  <>
    <Partial
      target={instead === null ? `#talk-${turn.side}` : `#turn-${instead}`}
      swap={instead === null ? "beforeend" : "outerHTML"}
    >
      <Turn turn={turn} />
    </Partial>
    <KeptPart turn={turn} history={history} />
  </>
);

type PiecesProps = { id: string; text: string; thinking: string; calls: readonly Call[] | null };
/** What came since the last. In a span, since bare white space is dropped on the way. */
export const Pieces = ({ id, text, thinking, calls }: PiecesProps): Markup => (
  <>
    {thinking !== "" && (
      <Partial target={`#thinking-${id}`} swap="beforeend">
        <span>{thinking}</span>
      </Partial>
    )}
    {text !== "" && (
      <Partial target={`#text-${id}`} swap="beforeend">
        <span>{text}</span>
      </Partial>
    )}
    {calls !== null && (
      <Partial target={`#calls-${id}`} swap="innerHTML">
        <Calls calls={calls} />
      </Partial>
    )}
  </>
);

export const WayPart = ({ id, way }: { id: string; way: Way }): Markup => (
  <Partial target={`#way-${id}`} swap="outerHTML">
    <WayLine id={id} way={way} />
  </Partial>
);

/** At its end. `history`: the conversation as the form sends it from now on. */
export const ClosingParts = ({ turn, history }: { turn: TurnView; history: string }): Markup => (
  <>
    <Partial target={`#turn-${turn.id}`} swap="outerHTML">
      <Turn turn={turn} />
    </Partial>
    <KeptPart turn={turn} history={history} />
  </>
);

const KeptPart = ({ turn, history }: { turn: TurnView; history: string }): Markup => (
  <Partial target={`#kept-${turn.side}`} swap="outerHTML">
    <Kept side={turn.side} history={history} last={turn.id} />
  </Partial>
);

/** What the form knows of a conversation. */
export const Kept = ({ side, history, last }: { side: 0 | 1; history: string; last: string }): Markup => (
  <div id={`kept-${side}`} hidden>
    <input type="hidden" name={`history${side}`} value={history} autocomplete="off" />
    <input type="hidden" name={`last${side}`} value={last} autocomplete="off" />
  </div>
);

const SAID = {
  completed: "has answered",
  stopped: "was stopped",
  failed: "did not answer",
  refused: "did not answer",
} as const;

/** For who does not see it: who has answered, never the answer. */
export const Said = ({ turns }: { turns: readonly TurnView[] }): Markup => (
  <Partial target="#said" swap="textContent">
    {turns.map(({ model, end }) => `${plainName(model)} ${end ? SAID[end.state] : "is writing"}.`).join(" ")}
  </Partial>
);
