// Act form: a form with fields that changes something, or whose answer shows something once. Without script the browser
// posts it and gets a page; with script the page's content is exchanged in place.
import type { Child } from "hono/jsx";
import type { Markup } from "./markup.ts";
import { Csrf } from "./parts.tsx";

type ActFormProps = {
  action: string;
  csrf: string;
  /** Fields below one another. */
  fields?: boolean;
  /** What it is called where there are several in a page. */
  label?: string;
  children?: Child;
};

export const ActForm = ({ action, csrf, fields = false, label, children }: ActFormProps): Markup => (
  <form
    method="post"
    action={action}
    class={fields ? "fields" : undefined}
    aria-label={label}
    hx-post={action}
    hx-target="#main"
    hx-select="#main"
    hx-swap="outerHTML"
  >
    <Csrf token={csrf} />
    {children}
  </form>
);
