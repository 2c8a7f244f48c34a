// Partial: a piece of an answer that htmx puts somewhere of its own in the page.
import type { Child } from "hono/jsx";
import type { Markup } from "./markup.ts";

declare module "hono/jsx" {
  namespace JSX {
    interface IntrinsicElements {
      "hx-partial": Record<string, unknown>;
    }
  }
}

/** `target`: a selector. `swap`: as `hx-swap`. */
export const Partial = ({ target, swap, children }: { target: string; swap: string; children?: Child }): Markup => (
  <hx-partial hx-target={target} hx-swap={swap}>
    {children}
  </hx-partial>
);
