// The arrows of the house: which room of src/ may import which. CONTRIBUTING.md shows the same list with a line for each.
// `bun run arrows` holds them; build/arrows.test.ts proves that each rule here can fail.

/** Rooms from top to bottom. An import points down: a room may import what stands below it, never what stands above. */
const ROOMS = [
  "main",
  "cli",
  "modes",
  "config",
  "update",
  "dashboard",
  "http",
  "daemon",
  "backends",
  "identity",
  "admin",
  "settlement",
  "solana",
  "verification",
  "webhooks",
  "stats",
  "jobs",
  "registry",
  "settings",
  "accounts",
  "ledger",
  // Pure, so it stands low: jobs asks it to choose, registry keeps the figures it reads.
  "scheduler",
  "protocol",
  "db",
  "lib",
  "version",
];

/** Tests, and what only tests use. */
const TEST = "\\.test\\.ts$|^src/.+/testing/";
/** Matches the given rooms: a folder's content, or the file of that name. */
const rooms = (...names) => `^src/(${names.join("|")})(/|\\.ts$)`;
/** Matches npm packages in node_modules. */
const packages = (...names) => `(^|/)node_modules/(${names.join("|")})(/|$)`;
/** Files of src/solana that load no chain client: what the rest of the house may import for good. */
const LIGHT_SOLANA = "^src/solana/(chain|address|signer|cluster|schema)\\.ts$";
const otherRooms = (...kept) => ROOMS.filter((room) => !kept.includes(room));

/** One rule a room: it does not import the rooms above it. */
const downwards = ROOMS.slice(1).map((room, above) => ({
  name: `${room}-imports-down`,
  severity: "error",
  comment: `src/${room} may import only rooms that stand below it in the list.`,
  from: { path: rooms(room), pathNot: TEST },
  to: { path: rooms(...ROOMS.slice(0, above + 1)) },
}));

/** @type {import("dependency-cruiser").IConfiguration} */
module.exports = {
  forbidden: [
    ...downwards,
    {
      name: "every-room-has-its-place",
      severity: "error",
      comment: "A new room of src/ is entered into the list above, so that its arrows are decided.",
      from: { path: "^src/", pathNot: `${rooms(...ROOMS)}|${TEST}` },
      to: {},
    },
    {
      name: "node-side-keeps-out-of-the-coordinator",
      severity: "error",
      comment:
        "daemon and backends reach the coordinator over the link only, so that the trust boundary is real in `both` too.",
      from: { path: rooms("daemon", "backends"), pathNot: TEST },
      to: {
        path: rooms(
          "registry",
          "jobs",
          "scheduler",
          "ledger",
          "accounts",
          "db",
          "settlement",
          "solana",
          "verification",
        ),
      },
    },
    {
      name: "scheduler-is-pure",
      severity: "error",
      comment: "scheduler imports only protocol and lib: no clock, randomness or I/O of its own.",
      from: { path: rooms("scheduler"), pathNot: TEST },
      to: { path: rooms(...otherRooms("scheduler", "protocol", "lib")) },
    },
    {
      name: "scheduler-does-no-io",
      severity: "error",
      comment: "scheduler takes time and randomness as arguments and reaches no file, process or socket.",
      from: { path: rooms("scheduler"), pathNot: TEST },
      to: { dependencyTypes: ["core"] },
    },
    {
      name: "identity-stands-alone",
      severity: "error",
      comment: "identity imports only protocol and lib.",
      from: { path: rooms("identity"), pathNot: TEST },
      to: { path: rooms(...otherRooms("identity", "protocol", "lib")) },
    },
    {
      name: "identity-is-for-the-edges",
      severity: "error",
      comment: "Keys and signed requests are handled at the edges (http, cli, modes, daemon), never in a domain.",
      from: { path: rooms(...otherRooms("main", "http", "cli", "modes", "daemon", "identity")), pathNot: TEST },
      to: { path: rooms("identity") },
    },
    {
      name: "config-is-for-cli-and-modes",
      severity: "error",
      comment: "Only cli and modes read the configuration; everything else takes plain values.",
      from: { path: rooms(...otherRooms("cli", "modes", "config")), pathNot: TEST },
      to: { path: rooms("config") },
    },
    {
      name: "protocol-does-no-io",
      severity: "error",
      comment: "protocol is shapes and signatures: it imports lib and no other room.",
      from: { path: rooms("protocol"), pathNot: TEST },
      to: { path: rooms(...otherRooms("protocol", "lib")) },
    },
    {
      name: "libsql-only-in-db",
      severity: "error",
      comment: "src/db is the only importer of libSQL: one writer, one place that knows the driver.",
      from: { path: "^(src|web)/", pathNot: `${rooms("db")}|${TEST}` },
      to: { path: packages("libsql", "@libsql/[^/]+", "drizzle-orm/libsql") },
    },
    {
      name: "web3-only-in-solana",
      severity: "error",
      comment: "src/solana is the only importer of the chain's client; others see a type.",
      from: { path: "^(src|web)/", pathNot: `${rooms("solana")}|${TEST}` },
      to: { path: packages("@solana/[^/]+", "@solana-program/[^/]+") },
    },
    {
      name: "chain-client-is-loaded-when-needed",
      severity: "error",
      comment:
        "Most instances settle nothing on a chain: `await import()` what brings its client, or import types only.",
      from: { path: `^(src|web)/(?!solana/)|${LIGHT_SOLANA}`, pathNot: TEST },
      to: {
        path: `^src/solana/|${packages("@solana/[^/]+", "@solana-program/[^/]+")}`,
        pathNot: LIGHT_SOLANA,
        dynamic: false,
        dependencyTypesNot: ["type-only"],
      },
    },
    {
      name: "engine-only-in-backends",
      severity: "error",
      comment: "src/backends is the only importer of the llama.cpp binding.",
      from: { path: "^(src|web)/", pathNot: `${rooms("backends")}|${TEST}` },
      to: { path: packages("node-llama-cpp", "@node-llama-cpp/[^/]+") },
    },
    {
      name: "web-framework-only-at-the-edge",
      severity: "error",
      comment: "No domain knows Elysia.",
      from: { path: rooms(...otherRooms("http", "dashboard", "daemon", "modes")), pathNot: TEST },
      to: { path: packages("elysia") },
    },
    {
      name: "terminal-only-in-cli",
      severity: "error",
      comment: "Arguments and questions are cli's.",
      from: { path: "^(src|web)/", pathNot: `${rooms("cli", "main")}|${TEST}` },
      to: { path: packages("commander", "@clack/prompts") },
    },
    {
      name: "web-is-markup",
      severity: "error",
      comment:
        "web takes plain data: of src it may import protocol and lib, and of others the types of what it is given.",
      from: { path: "^web/", pathNot: TEST },
      to: { path: rooms(...otherRooms("protocol", "lib")), dependencyTypesNot: ["type-only"] },
    },
    {
      name: "product-imports-no-tooling",
      severity: "error",
      comment: "The executable contains neither build scripts nor end-to-end tests.",
      from: { path: "^(src|web|migrations)/", pathNot: TEST },
      to: { path: "^(build|e2e)/" },
    },
    {
      name: "product-imports-no-tests",
      severity: "error",
      comment: "Code that only tests need stays out of the executable.",
      from: { path: "^(src|web|migrations)/", pathNot: TEST },
      to: { path: TEST },
    },
    {
      name: "no-development-packages",
      severity: "error",
      comment: "What the executable imports is a dependency, not a devDependency.",
      from: { path: "^(src|web)/", pathNot: TEST },
      to: { dependencyTypes: ["npm-dev", "npm-no-pkg", "npm-unknown"], dependencyTypesNot: ["type-only"] },
    },
    {
      name: "no-cycles",
      severity: "error",
      comment: "Two files that need each other to run are one file, or need a third. Types may point both ways.",
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ["type-only"] } },
    },
    {
      name: "no-orphans",
      severity: "error",
      comment: "A file that imports nothing and that nobody imports is dead.",
      from: { orphan: true, pathNot: `\\.d\\.ts$|${TEST}` },
      to: {},
    },
    {
      name: "no-unresolvable",
      severity: "error",
      comment: "An import leads somewhere.",
      from: { path: "^(src|web|migrations)/" },
      to: { couldNotResolve: true, pathNot: "^bun($|:)" },
    },
  ],
  options: {
    doNotFollow: { path: ["node_modules"] },
    exclude: { path: ["/training/"] },
    tsPreCompilationDeps: true,
    combinedDependencies: false,
    moduleSystems: ["es6", "cjs"],
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["import", "require", "node", "default"],
      extensions: [".ts", ".tsx", ".js", ".mjs", ".cjs", ".json", ".node", ".d.ts"],
    },
  },
};
