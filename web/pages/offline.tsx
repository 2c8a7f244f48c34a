// Offline: what the installed app shows while there is no connection. Kept by browsers, so it says nothing of anybody.
import type { Markup } from "../parts/markup.ts";
import { Empty } from "../parts/parts.tsx";
import { Head, Shell, type Viewer } from "../parts/shell.tsx";

export const Offline = ({ viewer }: { viewer: Viewer }): Markup => (
  <Shell viewer={viewer} title="No connection">
    <Head title="No connection" />
    <section class="card" aria-label="No connection">
      <Empty
        icon="off"
        level={2}
        title="This instance is not reached now"
        act={
          // Without an address: that of the page that was asked for.
          <form>
            <button type="submit">Try again</button>
          </form>
        }
      >
        Check your connection. What was under way goes on without you.
      </Empty>
    </section>
  </Shell>
);
