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
      <Empty icon="warn" tone="warn" level={2} title={words} act={<Ways viewer={viewer} />}>
        {code !== undefined && (
          <>
            Code <code>{code}</code>
          </>
        )}
      </Empty>
    </section>
  </Shell>
);

/** Lists in which what was looked for would stand. */
const LISTS = [
  { path: "/models", label: "See the models" },
  { path: "/nodes", label: "See the providers" },
  { path: "/jobs", label: "See your jobs" },
  { path: "/keys", label: "See your keys" },
] as const;

const Ways = ({ viewer: { human, path } }: { viewer: Viewer }): Markup => {
  const list = LISTS.find((one) => path.startsWith(`${one.path}/`)) ?? { path: "/", label: "Go to the start" };
  return (
    <div class="row">
      <a class="button" href={list.path}>
        {list.label}
      </a>
      {human === null && (
        <a class="button act" href="/sign-in">
          Sign in
        </a>
      )}
    </div>
  );
};
