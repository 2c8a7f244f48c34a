// Data files: names in the data directory that are known outside their own module.

/** The coordinator's database, where it is a file. */
export const DATABASE_FILE = "infernet.db";
/** Holds the API key of the banner's call: it works now and at every later run. */
export const LOCAL_API_KEY_FILE = "local-api-key";
/** Holds the link that makes the first admin, where it could not be shown on a terminal. */
export const SETUP_LINK_FILE = "setup-link";
/** Tells this data directory from those of other coordinators on the same database. */
export const REPLICA_FILE = "replica.id";
/** What the feed of releases had when it was looked at last. */
export const UPDATE_FILE = "update.json";
