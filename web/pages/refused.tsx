// Refused: a page that says no, and what to do.
import type { Markup } from "../parts/markup.ts";
import { Empty } from "../parts/parts.tsx";
import { Head, Shell, type Viewer } from "../parts/shell.tsx";

export const Refused = ({
  viewer,
  title,
  words,
  code,
}: {
  viewer: Viewer;
  title: string;
  words: string;
  code?: string;
}): Markup => (
  <Shell viewer={viewer} title={title}>
    <Head title={title} />
    <section class="card" aria-label={title}>
      <Empty
        icon="warn"
        tone="warn"
        level={2}
        title={words}
        act={
          viewer.human ? (
            <a class="button" href="/">
              Go to the start
            </a>
          ) : (
            <a class="button act" href="/sign-in">
              Sign in
            </a>
          )
        }
      >
        {code !== undefined && (
          <>
            Code <code>{code}</code>
          </>
        )}
      </Empty>
    </section>
  </Shell>
);
