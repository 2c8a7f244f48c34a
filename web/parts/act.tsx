// Act: a button that does something: with script in place, by its form without. What is lost is asked for first.
import type { Child } from "hono/jsx";
import type { Markup } from "./markup.ts";
import { Csrf } from "./parts.tsx";

/** What the dialog says. With `name`, that is to be typed. */
export type Ask = { title: string; what: string; act: string; keep?: string; name?: string };

type ActProps = {
  /** What is posted to. */
  to: string;
  /** Proves the page to those without script; null in updates, which only a script sees. */
  csrf: string | null;
  look?: "act" | "danger" | "plain";
  ask?: Ask;
  /** Posted with it. */
  fields?: Readonly<Record<string, string>>;
  /** For screen readers, where the button's words alone do not say what it is about. */
  label?: string;
  /** Keeps the focus where the answer replaces it. */
  id?: string;
  children?: Child;
};

/** The answer says what becomes of the page; by itself nothing does. */
export const Act = ({ to, csrf, look, ask, fields = {}, label, id, children }: ActProps): Markup => (
  <form
    class="inline"
    method="post"
    action={to}
    hx-post={to}
    hx-swap="none"
    hx-confirm={ask?.title}
    data-what={ask?.what}
    data-act={ask?.act}
    data-keep={ask?.keep}
    data-name={ask?.name}
  >
    {csrf !== null && <Csrf token={csrf} />}
    {Object.entries(fields).map(([name, value]) => (
      <input type="hidden" name={name} value={value} />
    ))}
    <button type="submit" class={look} id={id} aria-label={label}>
      {children}
    </button>
  </form>
);
