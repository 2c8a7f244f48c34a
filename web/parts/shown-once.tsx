// Shown once: a secret that the page has this one time: to be copied now.
import type { Child } from "hono/jsx";
import type { Markup } from "./markup.ts";
import { Copy } from "./parts.tsx";

type ShownOnceProps = {
  /** Of the text, unique in the page. */
  id: string;
  title: string;
  text: string;
  /** What it is for, and for how long it is good. */
  children?: Child;
};
/** Takes the focus, so that whoever does not see it is told. */
export const ShownOnce = ({ id, title, text, children }: ShownOnceProps): Markup => (
  <section class="card" aria-labelledby={`${id}-h`} tabindex={-1} autofocus>
    <header>
      <h2 id={`${id}-h`}>{title}</h2>
      <Copy text={text} label={`Copy: ${title}`} />
    </header>
    <div class="body stack">
      <p class="secret" id={id}>
        {text}
      </p>
      <p class="note">{children}</p>
    </div>
  </section>
);
