// Prose: what a model wrote, to be read. Code between fences is code, and of Markdown what models write all the time is
// shown as it is meant: bold, code within a line, headings, lists. All of it stays text: nothing becomes a link, an image
// or markup, and a line stays a line, so that little moves when an answer is whole.
import { Code } from "./code.tsx";
import type { Markup } from "./markup.ts";

const FENCE = /^```[^\n`]*\n([\s\S]*?)(?:^```[ \t]*$|$(?![\s\S]))/gm;
/** Begins at a run's first only, or a long run would be walked once for each of its lines. */
const OUTER_LINES = /^\n+|(?<!\n)\n+$/g;

/** A longer answer, and one of more lines, is shown as it came: all others would wait while its marks are looked for. */
const MAX_LENGTH = 100_000;
const MAX_LINES = 2_000;

/** A whole answer. `id`: of what it stands in, for the ids of its code. */
export const Answer = ({ id, text }: { id: string; text: string }): Markup => {
  if (text.length > MAX_LENGTH || text.split("\n", MAX_LINES + 1).length > MAX_LINES) {
    return (
      <div class="answer" dir="auto">
        {text}
      </div>
    );
  }
  const parts: Markup[] = [];
  const prose = (from: number, to: number) => {
    const between = text.slice(from, to).replace(OUTER_LINES, "");
    if (between.trim() !== "") parts.push(<Prose text={between} />);
  };
  let from = 0;
  for (const found of text.matchAll(FENCE)) {
    prose(from, found.index);
    const code = (found[1] ?? "").replace(/\n$/, "");
    parts.push(<Code id={`code-${id}-${parts.length}`} name="Code" text={code} />);
    from = found.index + found[0].length;
  }
  prose(from, text.length);
  return <>{parts}</>;
};

const Prose = ({ text }: { text: string }): Markup => (
  <div class="answer" dir="auto">
    {text.split("\n").map((line, i, { length }) => (
      <Line line={line} last={i === length - 1} />
    ))}
  </div>
);

const HEADING = /^#{1,6} +(\S.*)$/;
const ITEM = /^( *)[-*+] +(?=\S)(.*)$/;

const Line = ({ line, last }: { line: string; last: boolean }): Markup => {
  const [, indent, item] = ITEM.exec(line) ?? [];
  if (item !== undefined) {
    return (
      <span class="item">
        {`${indent}• `}
        <Words text={item} />
      </span>
    );
  }
  const [, heading] = HEADING.exec(line) ?? [];
  return (
    <>
      {heading === undefined ? <Words text={line} /> : <b>{heading.replaceAll("**", "")}</b>}
      {!last && "\n"}
    </>
  );
};

const MARKED = /(`[^`\n]+`|\*\*(?!\s)[^*\n]+(?<!\s)\*\*)/;

/** Every other piece is one between marks. */
const Words = ({ text }: { text: string }): Markup => (
  <>
    {text
      .split(MARKED)
      .map((piece, i) =>
        i % 2 === 0 ? (
          piece
        ) : piece.startsWith("`") ? (
          <code>{piece.slice(1, -1)}</code>
        ) : (
          <b>{piece.slice(2, -2).replaceAll("`", "")}</b>
        ),
      )}
  </>
);
