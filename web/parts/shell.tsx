// Shell: the page around every page: head, navigation by what one may do, toasts, the dialog that asks.
import type { Child } from "hono/jsx";
import { CHART_SCRIPTS, CHART_STYLE, FAVICON, ICONS, NOTIFY_SCRIPT, SCRIPTS, STYLESHEET } from "./assets.ts";
import { Icon } from "./icon.tsx";
import type { Markup } from "./markup.ts";
import { Csrf, Status } from "./parts.tsx";
import { Name, number } from "./text.tsx";

/** Who looks, and what of the house they see. Made once for a page (dashboard/viewer.ts). */
export type Viewer = {
  /** Null where nobody is signed in. */
  human: {
    email: string;
    name: string;
    roles: readonly string[];
    account: { id: string; name: string; kind: string };
    /** In that account. */
    memberRole: string;
    csrf: string;
  } | null;
  /** Of the page, for the navigation's mark. */
  path: string;
  /** Whether anything is charged. */
  billing: boolean;
  /** Small numbers in the navigation, by its paths. */
  counts: Readonly<Record<string, number>>;
};

type Place = { path: string; label: string; icon: string; billing?: true };
const USE: readonly Place[] = [
  { path: "/playground", label: "Playground", icon: "chat" },
  { path: "/models", label: "Models", icon: "model" },
  { path: "/keys", label: "Keys", icon: "keyicon" },
  { path: "/usage", label: "Usage", icon: "home" },
  { path: "/billing", label: "Billing", icon: "coin", billing: true },
  { path: "/jobs", label: "Jobs", icon: "jobs" },
];
const RUN: readonly Place[] = [
  { path: "/my/nodes", label: "My nodes", icon: "node" },
  { path: "/my/earnings", label: "Earnings", icon: "coin", billing: true },
  { path: "/my/receipts", label: "Receipts", icon: "log", billing: true },
  { path: "/my/join-tokens", label: "Join tokens", icon: "keyicon" },
];
const GOVERN: readonly Place[] = [
  { path: "/admin", label: "Overview", icon: "home" },
  { path: "/admin/nodes", label: "Nodes", icon: "node" },
  { path: "/admin/jobs", label: "Jobs", icon: "jobs" },
  { path: "/admin/models", label: "Models", icon: "model" },
  { path: "/admin/people", label: "People", icon: "people" },
  { path: "/admin/money", label: "Money", icon: "coin", billing: true },
  { path: "/admin/settings", label: "Settings", icon: "gear" },
  { path: "/admin/audit", label: "Audit log", icon: "log" },
];
const PUBLIC: readonly Place[] = [
  { path: "/models", label: "Models", icon: "model" },
  { path: "/nodes", label: "Providers", icon: "node" },
  { path: "/check", label: "Check a receipt", icon: "seal" },
  { path: "/docs", label: "Docs", icon: "book" },
];

type ShellProps = {
  viewer: Viewer;
  title: string;
  /** Loads what draws charts. */
  charts?: boolean;
  /** More scripts and sheets, by their addresses. */
  scripts?: readonly string[];
  /** A stream of this page's updates; one a page. */
  live?: string;
  /** The stream has an end, its event `done`: it is not opened again then. */
  ends?: boolean;
  children?: Child;
};
/** Opened again wherever nothing is connected, at once when the tab is looked at (`app.js`). */
const WATCHED = { "hx-trigger": "load, shown, every 10s" };
const UNTIL_DONE = { "hx-trigger": "load", "hx-sse:close": "done" };
/** A stream that is refused changes nothing in the page. */
const NO_SWAP = { "hx-status:4xx": "swap:none", "hx-status:5xx": "swap:none" };
const HTMX_CONFIG = JSON.stringify({ noSwap: [204, 304, "5xx"], includeIndicatorCSS: false, defaultTimeout: 20_000 });

/** The whole page. Its children are what stands in `<main>`. */
export function Shell({ viewer, children, scripts = [], ...page }: ShellProps): Markup {
  const { human } = viewer;
  const bar = human ? (
    <>
      <AppTop />
      <Side viewer={viewer} human={human} />
    </>
  ) : (
    <PublicTop path={viewer.path} />
  );
  return (
    <Document
      {...page}
      scripts={human ? [...scripts, NOTIFY_SCRIPT] : scripts}
      csrf={human?.csrf}
      sided={human !== null}
      installable
      bar={bar}
    >
      {children}
    </Document>
  );
}

type DocumentProps = Omit<ShellProps, "viewer"> & {
  /** Proves that what is asked comes from this page; none where nobody is signed in. */
  csrf: string | undefined;
  /** Stands beside or above the content. */
  bar: Child;
  /** The bar is a side bar. */
  sided?: boolean;
  /** There is a manifest: it can be installed as an app. */
  installable?: boolean;
};

/** What all pages are made of, whatever navigation they have. */
export function Document(props: DocumentProps): Markup {
  const {
    title,
    charts = false,
    scripts = [],
    live,
    ends = false,
    csrf,
    bar,
    sided = false,
    installable = false,
    children,
  } = props;
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>{`${title} · infernet`}</title>
        <meta name="theme-color" content="#f7f5f2" media="(prefers-color-scheme: light)" />
        <meta name="theme-color" content="#131110" media="(prefers-color-scheme: dark)" />
        <meta name="htmx-config" content={HTMX_CONFIG} />
        {csrf !== undefined && <meta name="csrf-token" content={csrf} />}
        <link rel="icon" href={FAVICON} />
        {installable && <link rel="manifest" href="/manifest.webmanifest" />}
        {charts && <link rel="stylesheet" href={CHART_STYLE} />}
        <link rel="stylesheet" href={STYLESHEET} />
        <script src={SCRIPTS.app}></script>
        <script src={SCRIPTS.htmx} defer></script>
        {[...(charts ? CHART_SCRIPTS : []), ...scripts].map((src) => (
          <script src={src} defer></script>
        ))}
      </head>
      <body
        class={sided ? "app" : undefined}
        hx-headers:inherited={csrf === undefined ? undefined : JSON.stringify({ "x-csrf-token": csrf })}
      >
        <a class="skip" href="#main">
          Skip to content
        </a>
        {bar}
        <main id="main" tabindex={-1} hx-history-elt="">
          {children}
          {/* In here, so that it goes with the page where another one is put in its place. */}
          {live !== undefined && (
            <div hidden hx-sse:connect={live} {...(ends ? UNTIL_DONE : WATCHED)} {...NO_SWAP}></div>
          )}
        </main>
        <Furniture />
      </body>
    </html>
  );
}

/** A bar with nothing in it but the mark, the theme and `children`. */
export const PlainTop = ({ children }: { children?: Child }): Markup => (
  <header class="top">
    <Brand />
    {children}
    <ThemeButton />
  </header>
);

const Brand = (): Markup => (
  <a class="brand" href="/">
    <svg aria-hidden="true">
      <use href={`${ICONS}#mark`} />
    </svg>
    infernet
  </a>
);
const ThemeButton = (): Markup => (
  <button type="button" class="plain icon" data-do="theme" aria-label="Switch light and dark">
    <Icon name="theme" />
  </button>
);
const AppTop = (): Markup => (
  <header class="top">
    <Brand />
    <ThemeButton />
    <button type="button" class="plain icon" popovertarget="nav" aria-label="Menu">
      <Icon name="menu" />
    </button>
  </header>
);
const PublicTop = ({ path }: { path: string }): Markup => (
  <header class="top">
    <Brand />
    <nav class="more" aria-label="Main">
      {PUBLIC.map((place) => (
        <a href={place.path} aria-current={isHere(place.path, path) ? "page" : undefined}>
          {place.label}
        </a>
      ))}
    </nav>
    <ThemeButton />
    <a class="button act" href="/sign-in">
      Sign in
    </a>
    <button type="button" class="plain icon less" popovertarget="nav" aria-label="Menu">
      <Icon name="menu" />
    </button>
    <nav id="nav" class="side" popover="auto" aria-label="Menu">
      <Brand />
      <Places all={PUBLIC} path={path} counts={{}} />
    </nav>
  </header>
);

function Side({ viewer, human }: { viewer: Viewer; human: NonNullable<Viewer["human"]> }): Markup {
  const { path, counts, billing } = viewer;
  const open = (places: readonly Place[]) => places.filter((place) => billing || place.billing === undefined);
  const has = (role: string) => human.roles.includes(role);
  return (
    <nav
      id="nav"
      class="side"
      popover="auto"
      aria-label="Main"
      data-notices={has("operator") || has("admin") ? "" : undefined}
    >
      <Brand />
      <h2>Use</h2>
      <Places all={open(USE)} path={path} counts={counts} />
      {(has("operator") || has("admin")) && (
        <>
          <h2>Run</h2>
          <Places all={open(RUN)} path={path} counts={counts} />
        </>
      )}
      {has("admin") && (
        <>
          <h2>Govern</h2>
          <Places all={open(GOVERN)} path={path} counts={counts} />
        </>
      )}
      <h2>Network</h2>
      <Places all={PUBLIC.filter((place) => place.path !== "/models")} path={path} counts={counts} />
      <footer>
        <AccountMenu human={human} />
        <ThemeButton />
      </footer>
    </nav>
  );
}

/** Who one is here, and the way out. The other accounts that one may act for come once it is opened. */
const AccountMenu = ({ human }: { human: NonNullable<Viewer["human"]> }): Markup => (
  <details class="menu">
    <summary>
      <Name of={human.account.kind === "organisation" ? human.account.name : human.email} max={40} />
    </summary>
    <div>
      <a class="button plain" href="/account">
        Your account
      </a>
      <div hx-get="/account/menu" hx-trigger="intersect once" hx-swap="innerHTML" {...NO_SWAP}></div>
      <form method="post" action="/account/sign-out">
        <Csrf token={human.csrf} />
        <button type="submit" class="plain">
          Sign out
        </button>
      </form>
    </div>
  </details>
);

/** The deepest place that the page is in. */
const isHere = (place: string, path: string): boolean =>
  path === place || (place !== "/admin" && path.startsWith(`${place}/`));

const Places = ({ all, path, counts }: { all: readonly Place[]; path: string; counts: Viewer["counts"] }): Markup => (
  <ul>
    {all.map((place) => {
      const count = counts[place.path] ?? 0;
      return (
        <li>
          <a href={place.path} aria-current={isHere(place.path, path) ? "page" : undefined}>
            <Icon name={place.icon} />
            {place.label}
            {count > 0 && <span class="count">{number(count)}</span>}
          </a>
        </li>
      );
    })}
  </ul>
);

/** What scripts fill: toasts, and the dialog that asks before something is lost. */
const Furniture = (): Markup => (
  <>
    <div class="toasts" role="status" aria-live="polite"></div>
    <template id="toast-shape">
      <div class="toast">
        <Icon name="ok" />
        <div>
          <p></p>
        </div>
        <button type="button" class="plain icon" data-do="close" aria-label="Dismiss">
          <Icon name="close" />
        </button>
      </div>
    </template>
    <dialog id="confirm" aria-labelledby="confirm-h">
      <form method="dialog">
        <h2 id="confirm-h">Sure?</h2>
        <p class="what"></p>
        <label>
          <span>
            Type <b></b> to confirm
          </span>
          <input autocomplete="off" autocapitalize="off" spellcheck={false} />
        </label>
        <div class="row spread">
          <button type="submit" value="no">
            Keep it
          </button>
          <button type="submit" class="danger act" value="yes" disabled>
            Go on
          </button>
        </div>
      </form>
    </dialog>
  </>
);

type HeadProps = {
  title: Child;
  crumb?: { href: string; label: string };
  note?: Child;
  /** Status, segments, buttons. */
  children?: Child;
};
/** The head of a page: where one is, what it is, how it is, what can be done. */
export const Head = ({ title, crumb, note, children }: HeadProps): Markup => (
  <div class="head">
    <div>
      {crumb && (
        <p class="crumb">
          <a href={crumb.href}>{crumb.label}</a> /
        </p>
      )}
      <h1>{title}</h1>
      {note !== undefined && <p class="note">{note}</p>}
    </div>
    {children}
  </div>
);
/** Says whether the page's stream is there. Beside the head of every page with one. */
export const LiveState = (): Markup => (
  <Status tone="live" id="stream-state">
    Live
  </Status>
);
