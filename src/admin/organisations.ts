// Organisations, as operations of a coordinator: which there are, and who is in them.
import {
  findShared,
  listMembers,
  listOrganisations,
  type MemberRefusal,
  setMember,
} from "../accounts/organisations.ts";
import type { People } from "../accounts/people.ts";
import { findUser } from "../accounts/users.ts";
import { err, ok } from "../lib/result.ts";
import { listed } from "./listing.ts";
import { operation } from "./operation.ts";
import type { Admin, AdminError } from "./operations.ts";
import { USER_OPERATIONS } from "./user-operations.ts";

type OrganisationAdmin = Pick<Admin, "listOrganisations" | "listMembers" | "setMember">;

export function organisationAdmin(people: People): OrganisationAdmin {
  return {
    listOrganisations: operation(USER_OPERATIONS.listOrganisations, async (wanted) => {
      const { rows, ...cursors } = await listed(wanted, (span) => listOrganisations(people, span));
      const organisations = rows.map(({ createdMs, ...row }) => ({ ...row, created_ms: createdMs }));
      return ok({ organisations, ...cursors });
    }),
    listMembers: operation(USER_OPERATIONS.listMembers, async ({ organisation }) => {
      if (!(await findShared(people.db.read, organisation))) return err(unknown(organisation));
      const rows = await listMembers(people, organisation);
      return ok({
        members: rows.map(({ userId, createdMs, ...row }) => ({ ...row, user: userId, created_ms: createdMs })),
      });
    }),
    setMember: operation(USER_OPERATIONS.setMember, async ({ organisation, user, role }, by) => {
      if (!(await findShared(people.db.read, organisation))) return err(unknown(organisation));
      const row = await findUser(people.db.read, user);
      const wanted = { accountId: organisation, userId: row?.id ?? "", role };
      const set = await setMember(people, wanted, by);
      return set.ok ? ok({ user: wanted.userId, role }) : err(refusal(set.error, user));
    }),
  };
}

const unknown = (organisation: string): AdminError => ({
  code: "not_found",
  message: `there is no organisation ${organisation}`,
  hint: "`infernet organisations list` shows them",
});

function refusal(why: MemberRefusal, user: string): AdminError {
  switch (why) {
    case "member_unknown":
      return { code: "not_found", message: `${user} is no member of it` };
    case "last_owner":
      return { code: "conflict", message: `${user} is the last owner`, hint: "make somebody else an owner first" };
    case "personal_account":
      return { code: "conflict", message: "a person's own account has no other members" };
    case "rights_ended":
      return { code: "conflict", message: "you are no admin any more" };
  }
}
