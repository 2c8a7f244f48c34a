// Read database: looks at a coordinator's database from outside, while an instance works with it or while none does.
// Nothing is changed, nothing is locked.
import { existsSync } from "node:fs";
import type { Config } from "../config.ts";
import type { Db } from "../db/open.ts";
import { databaseAddress } from "../modes/coordinator-data.ts";
import { CliError } from "./cli-error.ts";
import { dataDirectory } from "./instance.ts";

/** Runs `act` on the database as it is. A CliError where there is none, or one of another version. */
export async function readDatabase<T>(config: Config, act: (db: Db) => Promise<T>): Promise<T> {
  if (config.mode === "node") {
    throw new CliError("this is a node: the books are its coordinator's", {
      hint: "run the command where the coordinator runs",
    });
  }
  const address = databaseAddress(config, dataDirectory(config));
  if ("path" in address && !existsSync(address.path)) {
    throw new CliError(`there is no database at ${address.path} yet`, { hint: "the first start makes it" });
  }
  const [{ openDatabase }, { pendingMigrations }] = await Promise.all([
    import("../db/open.ts"),
    import("../db/migrate.ts"),
  ]);
  const db = await openDatabase(address);
  try {
    if ((await pendingMigrations(db)).length > 0) {
      throw new CliError("the database is older than this program", {
        hint: "`infernet migrate` brings it up to date",
      });
    }
    return await act(db);
  } finally {
    await db.close();
  }
}
