// Unavailable: the page of a database that cannot be asked. It needs nothing of it: not even who looks is known.
import type { Markup } from "../parts/markup.ts";
import { Empty } from "../parts/parts.tsx";
import { Document, Head, PlainTop } from "../parts/shell.tsx";

/** `again`: the page that was asked for, which is tried again by itself; null after an act, which is not. */
export const Unavailable = ({ words, code, again }: { words: string; code: string; again: string | null }): Markup => (
  <Document title="No answer from the database" csrf={undefined} bar={<PlainTop />}>
    <Head title="No answer from the database" />
    <section class="card" aria-label="What is wrong">
      <Empty
        icon="warn"
        tone="warn"
        level={2}
        title={words}
        act={
          <a class="button" href={again ?? "/"}>
            {again === null ? "Go to the start" : "Try again"}
          </a>
        }
      >
        {again !== null && "This page asks again every few seconds, and shows itself as soon as there is an answer. "}
        Whoever runs this instance finds out more with <code>infernet doctor</code>. Code <code>{code}</code>
      </Empty>
    </section>
  </Document>
);
