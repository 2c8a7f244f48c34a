// Code: a block of code with a button that copies it. Where it names the key, the page puts the visitor's own in
// (assets/key.js), which stays in the browser.

import { Icon } from "./icon.tsx";
import type { Markup } from "./markup.ts";

type CodeProps = {
  /** Unique in the page. */
  id: string;
  /** What it is, to a screen reader. */
  name: string;
  text: string;
  /** The language that it is shown for, where the page has a choice. */
  as?: string;
  /** One long line, which is read whole where it does not fit. */
  wraps?: boolean;
};
export const Code = ({ id, name, text, as, wraps = false }: CodeProps): Markup => (
  <div class="snippet" data-as={as}>
    <pre class={wraps ? "code wraps" : "code"} id={id} tabindex={0} role="region" aria-label={name}>
      {text
        .split(KEY)
        .map((part) => (Object.hasOwn(FILLED, part) ? <span data-key-as={FILLED[part]}>{part}</span> : part))}
    </pre>
    <button type="button" class="icon" data-do="copy" data-from={id} aria-label={`Copy: ${name}`}>
      <Icon name="copy" />
    </button>
  </div>
);

/** How each language names the key, and what stands there instead once there is one (`*`). */
const FILLED: Readonly<Record<string, string>> = {
  $INFERNET_API_KEY: "*",
  "'inf_…'": "'*'",
  'os.environ["INFERNET_API_KEY"]': '"*"',
  "process.env.INFERNET_API_KEY": '"*"',
};
const KEY = /(\$INFERNET_API_KEY|'inf_…'|os\.environ\["INFERNET_API_KEY"\]|process\.env\.INFERNET_API_KEY)/;
