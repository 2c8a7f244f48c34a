// Markup: what templates give back. Text is escaped by the template itself; there is no other way into a page.
import type { HtmlEscapedString } from "hono/utils/html";

export type Markup = HtmlEscapedString | Promise<HtmlEscapedString>;
