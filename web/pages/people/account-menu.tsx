// Account menu: the accounts that one may act for instead, at the foot of the side bar.
import type { Markup } from "../../parts/markup.ts";
import { Name } from "../../parts/text.tsx";

type Other = { id: string; kind: string; name: string };

export const AccountMenu = ({
  others,
  csrf,
  next,
}: {
  others: readonly Other[];
  csrf: string;
  next: string;
}): Markup => (
  <div>
    {others.map(({ id, kind, name }) => (
      <form method="post" action="/account/switch">
        <input type="hidden" name="csrf_token" value={csrf} />
        <input type="hidden" name="account" value={id} />
        <input type="hidden" name="next" value={next} />
        <button type="submit" class="plain">
          Act for <Name of={kind === "local" ? "this instance" : name} max={28} />
        </button>
      </form>
    ))}
  </div>
);
