// Query: what the address of a list says of its page, and the addresses of the pages beside it.
import type { HumanCall } from "../http/routes.ts";
import type { Cursors } from "./paging.ts";

export const cursorsOf = ({ query }: Pick<HumanCall, "query">): Cursors => ({
  after: query.get("after"),
  before: query.get("before"),
});

/** The pages before and after, with everything else of the address as it is. */
export function hrefWith(
  { request }: Pick<HumanCall, "request">,
  { newer, older }: { newer: string | null; older: string | null },
): { newer: string | null; older: string | null } {
  const to = (name: "after" | "before", cursor: string | null): string | null => {
    if (cursor === null) return null;
    const url = new URL(request.url);
    url.searchParams.delete("after");
    url.searchParams.delete("before");
    url.searchParams.set(name, cursor);
    return url.pathname + url.search;
  };
  return { newer: to("before", newer), older: to("after", older) };
}
