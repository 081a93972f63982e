// The command line: finds the verb, gives it what it asks for, prints what it returns, and ends with its status.
import { constants } from "node:os";
import { parseArgs } from "node:util";
import { inner } from "./child.ts";
import { engineVersion } from "./engine.ts";
import { Mistakes, UserError, exitStatus, nearest } from "./errors.ts";
import { addressed } from "./format.ts";
import { hostError } from "./hosterrors.ts";
import { lockFileOf, openProject } from "./project.ts";
import { createReport, type Report } from "./report.ts";
import type { Context, Outcome, Verb, VerbOption } from "./verbs/verb.ts";

const verbs: Record<string, () => Promise<{ verb: Verb }>> = {
  init: () => import("./verbs/init.ts"),
  image: () => import("./verbs/image.ts"),
  check: () => import("./verbs/check.ts"),
  plan: () => import("./verbs/plan.ts"),
  lock: () => import("./verbs/lock.ts"),
  update: () => import("./verbs/update.ts"),
  fetch: () => import("./verbs/fetch.ts"),
  deps: () => import("./verbs/deps.ts"),
  why: () => import("./verbs/why.ts"),
  tar: () => import("./verbs/tar.ts"),
  disk: () => import("./verbs/disk.ts"),
  stick: () => import("./verbs/stick.ts"),
  vm: () => import("./verbs/vm.ts"),
  push: () => import("./verbs/push.ts"),
  status: () => import("./verbs/status.ts"),
  pull: () => import("./verbs/pull.ts"),
  ssh: () => import("./verbs/ssh.ts"),
  logs: () => import("./verbs/logs.ts"),
  "boot-test": () => import("./verbs/boottest.ts"),
  shell: () => import("./verbs/shell.ts"),
  try: () => import("./verbs/try.ts"),
  log: () => import("./verbs/log.ts"),
  diff: () => import("./verbs/diff.ts"),
  size: () => import("./verbs/size.ts"),
  gc: () => import("./verbs/gc.ts"),
  clean: () => import("./verbs/clean.ts"),
};

const everywhere: Record<string, VerbOption> = {
  conf: { type: "string", short: "c", value: "CONF", help: "image definition: a name in conf/ or a path (default: base)" },
  directory: { type: "string", short: "C", value: "DIR", help: "project directory (default: this one)" },
  mirror: { type: "string", multiple: true, value: "URI", help: "try this mirror first; can be repeated" },
  json: { type: "boolean", help: "results and errors as JSON" },
  quiet: { type: "boolean", short: "q", help: "errors and warnings only" },
  verbose: { type: "boolean", short: "v", help: "every stage, and the output of what runs" },
  trace: { type: "string", value: "FILE", help: "write a timeline for Perfetto or chrome://tracing" },
  "no-cache": { type: "boolean", help: "use nothing that an earlier build made" },
  locked: { type: "boolean", help: "refuse to change the lock" },
  help: { type: "boolean", short: "h", help: "show this" },
};

await main(process.argv.slice(2));

async function main(argv: readonly string[]): Promise<void> {
  const { own, rest } = split(argv);
  if (own.includes("--version")) return void process.stdout.write(`debcast ${engineVersion}\n`);
  let report = createReport({ stdout: process.stdout, stderr: process.stderr, env: process.env, quiet: false, verbose: false, json: own.includes("--json") });
  try {
    const name = verbOf(own);
    if (name === undefined || !Object.hasOwn(verbs, name)) return await noVerb(name, own);
    const { verb } = await verbs[name]!();
    if (own.includes("--help") || own.includes("-h")) return void process.stdout.write(verbHelp(verb));
    const { values, args } = parse(verb, own);
    report = reportFor(values);
    const c = context(values, args, rest, report);
    const outcome = (await early(verb, c)) ?? (await entered(verb, c, () => (verb.namespaces ? verb.run(c) : interruptible(() => verb.run(c)))));
    report.close();
    printOutcome(report, outcome, values);
    process.exitCode = outcome.code ?? exitStatus.done;
  } catch (thrown) {
    const e = hostError(thrown);
    report.error(e);
    report.close();
    process.exitCode = statusOf(e);
  }
}

/** What needs no build needs no namespaces either, nor anything else of the host. */
async function early(verb: Verb, c: Context): Promise<Outcome | undefined> {
  if (!verb.early || (await import("./namespace.ts")).insideNamespaces()) return undefined;
  return interruptible(() => verb.early!(c));
}

/** Ends with our own status when it is told to end (Ctrl-C, `kill`, a terminal that is closed), and undoes what is undone at the end. */
async function interruptible<T>(work: () => Promise<T>): Promise<T> {
  const offs = (["SIGINT", "SIGTERM", "SIGHUP"] as const).map((signal) => {
    const interrupted = () => process.exit(signal === "SIGINT" ? exitStatus.interrupted : 128 + constants.signals[signal]);
    process.once(signal, interrupted);
    return () => process.off(signal, interrupted);
  });
  try {
    return await work();
  } finally {
    for (const off of offs) off();
  }
}

async function entered(verb: Verb, c: Context, run: () => Promise<Outcome>): Promise<Outcome> {
  if (verb.namespaces) {
    await (await import("./setup.ts")).ensureHostPrograms(c.emit);
    if (verb.namespaces === "of a user" && process.getuid!() === 0) return run();
    await (await import("./namespace.ts")).enterNamespaces(verb.exclusive ? { lock: lockFileOf(c.project), waits: () => c.emit({ type: "note", text: "another debcast is building in this project: waiting until it is done" }) } : {});
  }
  return run();
}

function statusOf(e: unknown): number {
  if (e instanceof Mistakes) return exitStatus.mistake;
  return e instanceof UserError ? e.exit : exitStatus.bug;
}

type Values = Record<string, string | boolean | string[] | undefined> & { readonly conf?: string; readonly directory?: string };

/** What is for us, and what follows `--`, which is somebody else's command. */
function split(argv: readonly string[]): { own: readonly string[]; rest: readonly string[] } {
  const cut = argv.indexOf("--");
  return cut === -1 ? { own: argv, rest: [] } : { own: argv.slice(0, cut), rest: argv.slice(cut + 1) };
}

/** The first word that is no option nor the value of one: a conf may be called as a verb is. */
function verbOf(own: readonly string[]): string | undefined {
  return parseArgs({ args: [...own], options: optionTypes(everywhere), allowPositionals: true, strict: false }).positionals[0];
}

function parse(verb: Verb, own: readonly string[]): { values: Values; args: string[] } {
  const options = { ...everywhere, ...verb.options };
  let parsed;
  try {
    parsed = parseArgs({ args: [...own], options: optionTypes(options), allowPositionals: true });
  } catch (e) {
    throw optionError(e as NodeJS.ErrnoException, options, verb);
  }
  const args = parsed.positionals.slice(1);
  const [least, most] = verb.args ?? [0, 0];
  if (args.length < least) throw usageError(`\`debcast ${verb.name}\` wants an argument`, verb);
  if (args.length > most) throw usageError(`\`${args[most]}\` is one argument too many`, verb);
  return { values: parsed.values as Values, args };
}

function optionTypes(options: Readonly<Record<string, VerbOption>>): Record<string, { type: "string" | "boolean"; short?: string; multiple?: boolean }> {
  return Object.fromEntries(Object.entries(options).map(([k, v]) => [k, { type: v.type, ...(v.short && { short: v.short }), ...(v.multiple && { multiple: true }) }]));
}

/** Node's words name the option in one of several forms: that name is all we take of them. */
function optionError(e: NodeJS.ErrnoException, options: Readonly<Record<string, VerbOption>>, verb: Verb): UserError {
  const name = /(--?[\w-]+)(?: <value>)?'/.exec(e.message)?.[1];
  if (name === undefined) throw e;
  if (e.code === "ERR_PARSE_ARGS_UNKNOWN_OPTION") {
    const near = nearest(name, Object.keys(options).map((o) => `--${o}`));
    return usageError(`\`debcast ${verb.name}\` has no option \`${name}\`${near ? `; did you mean \`${near}\`?` : ""}`, verb);
  }
  const wantsValue = options[name.replace(/^-+/, "")]?.type ?? Object.values(options).find((o) => `-${o.short}` === name)?.type;
  return usageError(wantsValue === "boolean" ? `\`${name}\` takes no value` : `\`${name}\` wants a value`, verb);
}

function usageError(message: string, verb: Verb): UserError {
  return new UserError("usage", message, { hint: `debcast ${verb.usage}\n\`debcast ${verb.name} --help\` tells more`, exit: exitStatus.usage });
}

function reportFor(values: Values): Report {
  const { stdout, stderr, env } = process;
  return createReport({
    stdout, stderr, env,
    quiet: values.quiet === true,
    verbose: values.verbose === true,
    json: values.json === true,
    trace: values.trace as string | undefined,
    address: (text) => addressed(text, values),
  });
}

function context(values: Values, args: readonly string[], rest: readonly string[], report: Report): Context {
  return {
    project: openProject((values.directory as string | undefined) ?? "."),
    conf: (values.conf as string | undefined) ?? "base",
    args,
    rest,
    options: values as Context["options"],
    mirrors: (values.mirror as string[] | undefined) ?? [],
    cache: values["no-cache"] !== true,
    locked: values.locked === true,
    verbose: values.verbose === true,
    json: values.json === true,
    emit: report.emit,
    setMask: report.setMask,
  };
}

function printOutcome(report: Report, o: Outcome, values: Values): void {
  if (process.env[inner] !== undefined) return;
  if (values.json) return report.data(JSON.stringify(o.data, null, 2));
  if (o.text) report.data(o.text);
  if (o.next?.length && !values.quiet) report.emit({ type: "note", text: addressed(`\nnext: ${o.next.join("\n      ")}`, values) });
}

async function noVerb(name: string | undefined, argv: readonly string[]): Promise<void> {
  if (name === undefined) {
    const stray = argv.find((a) => !/^(-h|--help|--json|-q|--quiet|-v|--verbose)$/.test(a));
    if (stray !== undefined && !argv.includes("--help") && !argv.includes("-h")) {
      throw new UserError("usage", "no verb is given", { hint: "`debcast --help` lists the verbs", exit: exitStatus.usage });
    }
    const text = await overview();
    const asked = argv.includes("--help") || argv.includes("-h");
    (asked ? process.stdout : process.stderr).write(text);
    process.exitCode = asked ? exitStatus.done : exitStatus.usage;
    return;
  }
  const near = nearest(name, Object.keys(verbs));
  throw new UserError("usage", `there is no verb \`${name}\``, {
    hint: near ? `did you mean \`debcast ${near}\`?` : "`debcast --help` lists the verbs",
    exit: exitStatus.usage,
  });
}

async function overview(): Promise<string> {
  const all = await Promise.all(Object.values(verbs).map(async (load) => (await load()).verb));
  const width = Math.max(...all.map((v) => v.usage.length)) + 2;
  const list = all.map((v) => `  ${v.usage.padEnd(width)}${v.summary}`).join("\n");
  return `debcast VERB [-c CONF] [-C DIR] …: makes Debian images from base/*.ts and conf/*.ts\n\n${list}\n\nEvery verb takes:\n${optionHelp(everywhere)}\n`;
}

function verbHelp(verb: Verb): string {
  const own = verb.options ? `\nOptions:\n${optionHelp(verb.options)}\n` : "";
  return `debcast ${verb.usage}\n\n${verb.summary}\n${own}\nEvery verb takes:\n${optionHelp(everywhere)}\n`;
}

function optionHelp(options: Readonly<Record<string, VerbOption>>): string {
  return Object.entries(options)
    .map(([name, o]) => `  ${`${o.short ? `-${o.short}, ` : ""}--${name}${o.value ? ` ${o.value}` : ""}`.padEnd(26)}${o.help}`)
    .join("\n");
}
