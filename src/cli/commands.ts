// Commands: the tree of commands with their arguments and flags. Each one's code is loaded when it runs.
import type { Command } from "commander";
import { CliError, EXIT } from "./cli-error.ts";
import type { InstallFlags, ServiceFlags } from "./commands/service.ts";
import type { SetupFlags } from "./commands/setup.ts";
import type { UpdateFlags } from "./commands/update.ts";
import { defineFunding } from "./define-funding.ts";
import { defineKeys } from "./define-keys.ts";
import { defineMoney } from "./define-money.ts";
import { defineOrganisations } from "./define-organisations.ts";
import { definePayouts } from "./define-payouts.ts";
import { defineReceipts } from "./define-receipts.ts";
import { defineSettings } from "./define-settings.ts";
import { defineUsers } from "./define-users.ts";
import type { Attach } from "./program.ts";

type Json = { json?: boolean };
const JSON_FLAG = ["--json", "print JSON"] as const;

/** Adds every command to the program. */
export function defineCommands(program: Command, attach: Attach): void {
  defineLife(program, attach);
  definePause(program, attach);
  defineService(program, attach);
  defineSetup(program, attach);
  defineLooking(program, attach);
  defineUse(program, attach);
  defineKeys(program, attach);
  defineUsers(program, attach);
  defineOrganisations(program, attach);
  defineMoney(program, attach);
  definePayouts(program, attach);
  defineReceipts(program, attach);
  defineFunding(program, attach);
  defineJoinTokens(program, attach);
  defineNodes(program, attach);
  defineWebhooks(program, attach);
  defineData(program, attach);
  defineConfig(program, attach);
  defineSettings(program, attach);
  defineUpdate(program, attach);
  program
    .command("version")
    .description("print the version")
    .option(...JSON_FLAG)
    .action(attach(async (context, _, flags: Json) => (await import("./commands/version.ts")).version(context, flags)));
}

function defineLife(program: Command, attach: Attach): void {
  program
    .command("run", { isDefault: true })
    .description("run in the foreground (what `infernet` alone does)")
    .allowExcessArguments()
    .action(
      attach(async (context, options, _: object, command: Command) => {
        const [unknown] = command.args;
        if (unknown !== undefined) throw unknownCommand(unknown, program);
        return (await import("./commands/run.ts")).run(context, options);
      }),
    );
  const load = () => import("./commands/background.ts");
  program
    .command("start")
    .description("run in the background")
    .action(attach(async (context, options) => (await load()).start(context, options)));
  for (const name of ["stop", "restart"] as const) {
    program
      .command(name)
      .description(name === "stop" ? "stop what runs in the background, letting jobs finish" : "stop, then start")
      .option("--force", "kill it if it does not stop in time")
      .action(
        attach(async (context, options, flags: { force?: boolean }) => (await load())[name](context, options, flags)),
      );
  }
  program
    .command("logs")
    .description("print the log of what runs in the background")
    .option("-f, --follow", "go on printing")
    .option("-n, --lines <count>", "how many lines from the end", "100")
    .action(
      attach(async (context, options, flags: { follow?: boolean; lines: string }) =>
        (await load()).logs(context, options, flags),
      ),
    );
}

function definePause(program: Command, attach: Attach): void {
  const load = () => import("./commands/pause.ts");
  program
    .command("pause")
    .description("take no more jobs on this machine; running ones go to other nodes")
    .option("--reason <text>", "shown to whoever asks why")
    .option(...JSON_FLAG)
    .action(
      attach(async (context, options, flags: Json & { reason?: string }) =>
        (await load()).pause(context, options, flags),
      ),
    );
  program
    .command("resume")
    .description("take jobs again")
    .option(...JSON_FLAG)
    .action(attach(async (context, options, flags: Json) => (await load()).resume(context, options, flags)));
}

function defineService(program: Command, attach: Attach): void {
  const load = () => import("./commands/service.ts");
  const service = program.command("service").description("let the system start infernet, at boot or at login");
  const scoped = (name: string, description: string): Command =>
    service
      .command(name)
      .description(description)
      .option("--system", "of the machine, as root; left out: of this user")
      .option(...JSON_FLAG);
  scoped("install", "write its file, enable it and start it; once more brings it up to date")
    .option("--no-start", "do not start it now")
    .option("--run-as <user>", "whom a service of the machine runs as; left out: whoever called sudo")
    .option("--dry-run", "print the file and change nothing")
    .action(attach(async (context, options, flags: InstallFlags) => (await load()).install(context, options, flags)));
  for (const name of ["uninstall", "status"] as const) {
    scoped(name, name === "status" ? "say how it stands" : "stop it and take its file away").action(
      attach(async (context, options, flags: ServiceFlags) => (await load())[name](context, options, flags)),
    );
  }
}

function defineSetup(program: Command, attach: Attach): void {
  program
    .command("setup")
    .description("ask a few questions and write config.toml; every answer can be given as a flag")
    .option("-y, --yes", "ask nothing: flags, then defaults")
    .option("--backend <kind[@url]>", "inference server to front; may be repeated", collect)
    .option("--install-ollama", "install Ollama in its makers' way, without asking, and a first model")
    .option("--pull <model>", "have Ollama fetch this model; with --install-ollama the default fits this machine")
    .option("--no-pull", "fetch no model")
    .option(...JSON_FLAG)
    .addHelpText(
      "after",
      "\nThe answers are the configuration's flags: --mode, --join TOKEN, --node-name, --idle-only, --server-host …",
    )
    .action(
      attach(async (context, options, flags: SetupFlags) =>
        (await import("./commands/setup.ts")).setup(context, options, flags),
      ),
    );
}

const collect = (value: string, before: string[] = []): string[] => [...before, value];

function defineLooking(program: Command, attach: Attach): void {
  program
    .command("status")
    .description("say what runs, what it serves and who is connected")
    .option(...JSON_FLAG)
    .action(
      attach(async (context, options, flags: Json) =>
        (await import("./commands/status.ts")).status(context, options, flags),
      ),
    );
  program
    .command("doctor")
    .description("look for what is wrong, with a mend for each")
    .option("--ledger", "look at the books instead: prove that no money was made or lost")
    .option(...JSON_FLAG)
    .action(
      attach(async (context, options, flags: Json & { ledger?: boolean }) =>
        flags.ledger
          ? (await import("./commands/doctor-ledger.ts")).doctorLedger(context, options, flags)
          : (await import("./commands/doctor.ts")).doctor(context, options, flags),
      ),
    );
}

function defineUse(program: Command, attach: Attach): void {
  program
    .command("chat")
    .description("talk to a model")
    .argument("[model]", "its name; left out: the first one served")
    .option("-p, --prompt <text>", "ask this one thing and end; standard input does the same")
    .option("-s, --system <text>", "instruction that goes before the conversation")
    .option("--max-tokens <count>", "longest answer")
    .option("--temperature <number>", "0 to 2")
    .option("--url <address>", "another coordinator (or INFERNET_URL); its key is read from INFERNET_API_KEY")
    .option("--json", "print the whole answer as JSON")
    .action(
      attach(async (context, options, model: string | undefined, flags: ChatFlags) =>
        (await import("./commands/chat.ts")).chat(context, options, model, flags),
      ),
    );
  const models = program.command("models").description("the models served");
  for (const name of ["install", "remove"] as const) {
    withNodeFlags(models.command(name))
      .description(name === "install" ? "have a node fetch one from its backend's library" : "have a node delete one")
      .argument("<model>", "its name there, e.g. llama3.2:1b")
      .option("--node <node>", "name or key of a node, or `all`; left out: this machine's, or the only one")
      .action(
        attach(async (context, options, model: string, flags: NodeFlags & { node?: string }) =>
          (await import("./commands/node-commands.ts")).modelCommand(context, options, `model_${name}`, model, flags),
        ),
      );
  }
  models
    .command("list")
    .description("list them")
    .option(...JSON_FLAG)
    .action(
      attach(async (context, options, flags: Json) =>
        (await import("./commands/models.ts")).list(context, options, flags),
      ),
    );
}

type NodeFlags = Json & { detach?: boolean };
const withNodeFlags = (command: Command): Command =>
  command
    .option("-d, --detach", "do not wait for the end")
    .option(...JSON_FLAG)
    .addHelpText("after", "\nCtrl-C stops it on the node; a second one leaves without waiting for that.");

/** What `chat` takes; all as typed. */
export type ChatFlags = Json & {
  prompt?: string;
  system?: string;
  maxTokens?: string;
  temperature?: string;
  url?: string;
};

function defineJoinTokens(program: Command, attach: Attach): void {
  const load = () => import("./commands/join-token.ts");
  const tokens = program.command("join-token").description("single-use tokens that let a node in");
  tokens
    .command("create")
    .description("make one; it is printed this once")
    .option("--role <role>", "provider (a node), aggregator or client", "provider")
    .option("--expires <time>", "for how long it is good", "24h")
    .option("--url <address>", "address the node is to dial; left out: public_url")
    .option(...JSON_FLAG)
    .action(
      attach(async (context, options, flags: Json & { role: string; expires: string; url?: string }) =>
        (await load()).create(context, options, flags),
      ),
    );
  tokens
    .command("list")
    .description("list them")
    .option(...JSON_FLAG)
    .action(attach(async (context, options, flags: Json) => (await load()).list(context, options, flags)));
  tokens
    .command("revoke")
    .description("end one before it is used")
    .argument("<id>")
    .option(...JSON_FLAG)
    .action(
      attach(async (context, options, id: string, flags: Json) => (await load()).revoke(context, options, id, flags)),
    );
}

function defineNodes(program: Command, attach: Attach): void {
  const load = () => import("./commands/nodes.ts");
  const nodes = program.command("nodes").description("the machines that offer inference here");
  defineNodeCommands(nodes, attach);
  nodes
    .command("list")
    .description("list them")
    .option(...JSON_FLAG)
    .action(attach(async (context, options, flags: Json) => (await load()).list(context, options, flags)));
  nodes
    .command("approve")
    .description("let in one that waits for it")
    .argument("<key>", "its public key, or how it begins")
    .option(...JSON_FLAG)
    .action(
      attach(async (context, options, key: string, flags: Json) =>
        (await load()).approve(context, options, key, flags),
      ),
    );
  nodes
    .command("allow")
    .description("let a key in before it calls, or again after it was ejected")
    .argument("<key>", "its public key")
    .option("--role <role>", "provider (a node), aggregator or client", "provider")
    .option(...JSON_FLAG)
    .action(
      attach(async (context, options, key: string, flags: Json & { role: string }) =>
        (await load()).allow(context, options, key, flags),
      ),
    );
  nodes
    .command("pool")
    .description("say whose requests one serves: public (everybody's), backstop (when no other can), or a private pool")
    .argument("<node>", "its name, its public key or how that begins")
    .argument("<pool>", "public, backstop, or a name that `keys create --pool` gives the right to")
    .option(...JSON_FLAG)
    .action(
      attach(async (context, options, node: string, pool: string, flags: Json) =>
        (await load()).pool(context, options, node, pool, flags),
      ),
    );
  nodes
    .command("maintenance")
    .description("give one no new jobs for now, or jobs again; those it has go on")
    .argument("<node>", "its name, its public key or how that begins")
    .argument("<on|off>")
    .option(...JSON_FLAG)
    .action(
      attach(async (context, options, node: string, wanted: string, flags: Json) =>
        (await load()).maintenance(context, options, node, wanted, flags),
      ),
    );
  nodes
    .command("eject")
    .description("take one's work and its way in")
    .argument("<key>", "its public key, or how it begins")
    .option("--reason <text>", "kept with it")
    .option(...JSON_FLAG)
    .action(
      attach(async (context, options, key: string, flags: Json & { reason?: string }) =>
        (await load()).eject(context, options, key, flags),
      ),
    );
}

function defineNodeCommands(nodes: Command, attach: Attach): void {
  const load = () => import("./commands/node-commands.ts");
  withNodeFlags(nodes.command("command"))
    .description("have one do something: drain, resume, restart, refresh, install, remove, load, unload, configure")
    .argument("<node>", "its name, its public key or how that begins, or `all`")
    .argument("<action>", "one of those")
    .argument("[words...]", "a model; for configure KEY=VALUE, as in [node] of config.toml, e.g. slots=4")
    .action(
      attach(async (context, options, node: string, action: string, words: string[], flags: NodeFlags) =>
        (await load()).command(context, options, [node, action, words], flags),
      ),
    );
  nodes
    .command("commands")
    .description("list what nodes were asked to do, and how it went")
    .option(...JSON_FLAG)
    .action(attach(async (context, options, flags: Json) => (await load()).commands(context, options, flags)));
  nodes
    .command("cancel")
    .description("end one of these")
    .argument("<id>", "its id, or how it begins")
    .option(...JSON_FLAG)
    .action(
      attach(async (context, options, id: string, flags: Json) => (await load()).cancel(context, options, id, flags)),
    );
}

function defineWebhooks(program: Command, attach: Attach): void {
  program
    .command("webhooks")
    .description("what receivers of webhooks need")
    .command("secret")
    .description("print the secret that webhooks of this instance's own jobs are signed with (whsec_…)")
    .option(...JSON_FLAG)
    .action(
      attach(async (context, options, flags: Json) =>
        (await import("./commands/webhooks.ts")).secret(context, options, flags),
      ),
    );
}

function defineData(program: Command, attach: Attach): void {
  program
    .command("backup")
    .description("copy the database into a file, while it is in use")
    .argument("<file>")
    .option(...JSON_FLAG)
    .action(
      attach(async (context, options, file: string, flags: Json) =>
        (await import("./commands/backup.ts")).backup(context, options, file, flags),
      ),
    );
  program
    .command("migrate")
    .description("bring the database to this version's tables (starting does it too)")
    .option(...JSON_FLAG)
    .action(
      attach(async (context, options, flags: Json) =>
        (await import("./commands/migrate.ts")).migrate(context, options, flags),
      ),
    );
}

function defineConfig(program: Command, attach: Attach): void {
  const load = () => import("./commands/config.ts");
  const config = program.command("config").description("look at the configuration");
  config
    .command("check")
    .description("say what is wrong with it")
    .action(attach(async (context, options) => (await load()).check(context, options)));
  config
    .command("print")
    .description("print the values in effect, and where each came from")
    .option(...JSON_FLAG)
    .option("--show-secrets", "do not mask secrets")
    .action(
      attach(async (context, options, flags: Json & { showSecrets?: boolean }) =>
        (await load()).print(context, options, flags),
      ),
    );
  config
    .command("example")
    .description("print a config.toml with every key, its default and what it is for")
    .action(attach(async (context) => (await load()).example(context)));
}

function defineUpdate(program: Command, attach: Attach): void {
  program
    .command("update")
    .description("put a newer release in this executable's place, or the one before back")
    .option("--check", "only say what the feed has")
    .option("--feed <url>", "another folder of release.json than [update] feed")
    .option("-y, --yes", "install without asking")
    .option("--allow-downgrade", "install an older version, too")
    .option("--rollback", "put the executable from before the last update back")
    .option(...JSON_FLAG)
    .action(
      attach(async (context, options, flags: UpdateFlags) =>
        (await import("./commands/update.ts")).update(context, options, flags),
      ),
    );
}

function unknownCommand(name: string, program: Command): CliError {
  const names = program.commands.map((command) => command.name());
  const near = names.find((known) => known.startsWith(name) || name.startsWith(known));
  const hint = near ? `did you mean \`infernet ${near}\`?` : "`infernet help` lists the commands";
  return new CliError(`unknown command ${JSON.stringify(name)}`, { exitCode: EXIT.usage, hint });
}
