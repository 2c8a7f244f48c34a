// Notify: the button that turns the browser's notifications on and off. assets/notify.js shows it, and asks the browser
// only when it is clicked.
import { Icon } from "./icon.tsx";
import type { Markup } from "./markup.ts";

/** In the head of a page for operators or admins, once. */
export const Notify = (): Markup => (
  <button type="button" id="notify" aria-pressed="false" hidden>
    <Icon name="live" />
    <span>Notify me</span>
  </button>
);
