// Account of: whose something is, as a link to the page of the person or the organisation.
import type { AccountName } from "../../src/accounts/account-names.ts";
import type { Markup } from "./markup.ts";
import { accountName, Name } from "./text.tsx";

/** For admins: they see those pages. `account` undefined: it is not there any more. */
export function AccountOf({ id, account }: { id: string; account: AccountName | undefined }): Markup {
  if (!account) return <code>{id}</code>;
  const { user, kind, name } = account;
  if (user) {
    return (
      <a href={`/admin/people/users/${encodeURIComponent(user.id)}`}>
        <Name of={user.email} max={80} />
      </a>
    );
  }
  if (kind === "client") return <Name of={name} />;
  return (
    <a href={`/organisations/${encodeURIComponent(id)}`}>
      <Name of={accountName(account)} />
    </a>
  );
}
