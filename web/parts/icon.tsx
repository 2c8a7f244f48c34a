// Icons: drawn once in icons.svg, used by name.
import { ICONS } from "./assets.ts";
import type { Markup } from "./markup.ts";

export const Icon = ({ name }: { name: string }): Markup => (
  <svg class="i" aria-hidden="true">
    <use href={`${ICONS}#${name}`} />
  </svg>
);
