// Assets: the files that pages load, embedded, each under an address that changes with its content, so that browsers may
// keep it for good.

import htmxSse from "../../node_modules/htmx.org/dist/ext/hx-sse.min.js" with { type: "text" };
import htmxCore from "../../node_modules/htmx.org/dist/htmx.min.js" with { type: "text" };
import uplotJs from "../../node_modules/uplot/dist/uPlot.iife.min.js" with { type: "text" };
import uplotCss from "../../node_modules/uplot/dist/uPlot.min.css" with { type: "text" };
import appJs from "../assets/app.js" with { type: "text" };
import baseCss from "../assets/base.css" with { type: "text" };
import chartJs from "../assets/chart.js" with { type: "text" };
import checkJs from "../assets/check.js" with { type: "text" };
import extraCss from "../assets/extra.css" with { type: "text" };
import faviconSvg from "../assets/favicon.svg" with { type: "text" };
import iconsSvg from "../assets/icons.svg" with { type: "text" };
import jobsJs from "../assets/jobs.js" with { type: "text" };
import keyJs from "../assets/key.js" with { type: "text" };
import linkJs from "../assets/link.js" with { type: "text" };
import notifyJs from "../assets/notify.js" with { type: "text" };
import openJs from "../assets/open.js" with { type: "text" };
import playgroundJs from "../assets/playground.js" with { type: "text" };
import pricesJs from "../assets/prices.js" with { type: "text" };

export type Asset = { path: string; type: string; text: string };

const JS = "text/javascript; charset=utf-8";
const CSS = "text/css; charset=utf-8";
const SVG = "image/svg+xml";

export const ASSET_BASE = "/assets/";

/** A file under its address, `NAME.HASH.TYPE`. */
export const asset = (name: string, type: string, text: unknown): Asset => {
  const content = String(text);
  const dot = name.lastIndexOf(".");
  const hash = new Bun.CryptoHasher("sha256", content).digest("hex").slice(0, 12);
  return { path: `${ASSET_BASE}${name.slice(0, dot)}.${hash}${name.slice(dot)}`, type, text: content };
};

/** Loaded with `defer` after htmx's start the SSE extension would never connect: one file. */
const htmx = asset("htmx.js", JS, `${htmxCore};\n${htmxSse}`);
const style = asset("infernet.css", CSS, `${baseCss}\n${extraCss}`);
const app = asset("app.js", JS, appJs);
const icons = asset("icons.svg", SVG, iconsSvg);
const favicon = asset("favicon.svg", SVG, faviconSvg);
const uplot = asset("uplot.js", JS, uplotJs);
const uplotStyle = asset("uplot.css", CSS, uplotCss);
const chart = asset("chart.js", JS, chartJs);
const key = asset("key.js", JS, keyJs);
const check = asset("check.js", JS, checkJs);
const open = asset("open.js", JS, openJs);
const link = asset("link.js", JS, linkJs);
const jobs = asset("jobs.js", JS, jobsJs);
const notify = asset("notify.js", JS, notifyJs);
const playground = asset("playground.js", JS, playgroundJs);
const prices = asset("prices.js", JS, pricesJs);

export const ASSETS: readonly Asset[] = [
  htmx,
  style,
  app,
  icons,
  favicon,
  uplot,
  uplotStyle,
  chart,
  key,
  check,
  open,
  playground,
  prices,
  notify,
  jobs,
  link,
];

export const ICONS = icons.path;
export const FAVICON = favicon.path;
export const STYLESHEET = style.path;
/** In the head of every page. */
export const SCRIPTS = { app: app.path, htmx: htmx.path } as const;
/** What pages with charts load beside it. */
export const CHART_SCRIPTS = [uplot.path, chart.path] as const;
export const CHART_STYLE = uplotStyle.path;
/** Of the page that opens a node's dashboard. */
export const OPEN_SCRIPT = open.path;
/** Puts the visitor's own key into examples. */
export const KEY_SCRIPT = key.path;
/** Of the page that checks receipts. */
export const CHECK_SCRIPT = check.path;
/** Of lists of jobs: says how many are new. */
export const JOBS_SCRIPT = jobs.path;
/** Of the page that chats. */
export const PLAYGROUND_SCRIPT = playground.path;
/** Of pages with a table of prices to edit. */
export const PRICES_SCRIPT = prices.path;
/** Takes the secret of a link that opens a page. */
export const LINK_SCRIPT = link.path;
/** Tells people who are signed in of what happened, and makes an app of the pages. */
export const NOTIFY_SCRIPT = notify.path;
