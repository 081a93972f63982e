// What ssh and sudo say when they fail, as errors that say what to do.
import { UserError, exitStatus } from "../errors.ts";
import { shellQuote } from "../run.ts";
import { addressText, type Device } from "./devices.ts";

interface Failure {
  readonly code: string;
  readonly says: RegExp;
  message(d: Device, m: RegExpExecArray, log: string): string;
  hint?(d: Device, m: RegExpExecArray, log: string): string;
}

/** The first that matches counts: what is special stands before what is general. */
const failures: readonly Failure[] = [
  {
    code: "ssh.absent",
    says: /failed to execute ssh: No such file|spawn ssh ENOENT/,
    message: () => "this machine has no ssh",
    hint: () => "apt-get install openssh-client",
  },
  {
    code: "ssh.config",
    says: /^((?:command-line|\/.*):? line \d+:? .*|.*Bad owner or permissions.*|.*bad configuration options.*)$/m,
    message: (d, m) => `ssh does not understand its settings for ${named(d)}: ${trimmed(m[1]!)}`,
    hint: () => "mend it in ~/.ssh/config, or in `ssh` of the device in conf/devices.ts",
  },
  {
    code: "ssh.key-changed",
    says: /REMOTE HOST IDENTIFICATION HAS CHANGED|Host key for .* has changed/,
    message: (d, _, log) => `${named(d)} shows another host key than before${found(log, /^(SHA256:\S+?)\.?$/m, (f) => ` (now ${f})`)}: it was set up anew, it is another device, or somebody stands between`,
    hint: (d, _, log) => `if it was set up anew, forget the old key and look at the new one:\n${forget(log)}\n${login(d)}`,
  },
  {
    code: "ssh.key-unknown",
    says: /Host key verification failed|No .* host key is known for/,
    message: (d) => `${named(d)} is not known to this machine yet: there is no host key of it in known_hosts`,
    hint: (d) => `${login(d)}   # shows its key, and remembers it when you say yes`,
  },
  {
    code: "ssh.denied",
    says: /Permission denied(?:, please try again)?[. ]*(?:\((.*)\))?|Too many authentication failures|No more authentication methods/,
    message: (d, m, log) => `${named(d)} does not let ${found(log, /^(\S+)@\S+: Permission denied/m, (u) => `\`${u}\``) || "you"} in${/Too many authentication failures/.test(log) ? ": ssh offered it more keys than it looks at" : ` with the keys that ssh has${m[1] === undefined ? "" : ` (it wants: ${m[1].replaceAll(",", ", ")})`}`}`,
    hint: (d, _, log) =>
      /Too many authentication failures/.test(log)
        ? "name the key in ~/.ssh/config: `IdentityFile …` and `IdentitiesOnly yes`"
        : `${login(d)} -v   # says which keys were tried\na key comes into an image by users[].sshKeys and options.ssh.allow of its conf; passwords are not asked for`,
  },
  {
    code: "ssh.starting",
    says: /System is booting up|pam_nologin|System is going down/,
    message: (d) => `${named(d)} is just starting or stopping, and lets nobody in`,
    hint: () => "try again in a few seconds",
  },
  {
    code: "ssh.refused",
    says: /Connection refused/,
    message: (d, _, log) => `${named(d)} refuses the connection: nothing listens on port ${found(log, /port (\d+):/, (p) => p) || (d.port ?? 22)}`,
    hint: () => "is it still starting? Does its image have the scriptlet `ssh`?",
  },
  {
    code: "ssh.no-route",
    says: /No route to host|Network is unreachable|Host is down/,
    message: (d, m) => `there is no way to ${named(d)}: ${m[0] === "Host is down" ? "the host is down" : m[0] === "No route to host" ? "no host answers at this address" : "the network is not reachable from here"}`,
    hint: () => "is it switched on, its cable plugged in, and this machine in its network? `ip route get ADDRESS` says which way is taken",
  },
  {
    code: "ssh.timeout",
    says: /Connection timed out|Operation timed out|Connection to .* timed out|banner exchange.*timed out|timed out/,
    message: (d) => `${named(d)} does not answer`,
    hint: () => "is it switched on, its address right, and port 22 open in every firewall between?",
  },
  {
    code: "ssh.name",
    says: /Could not resolve hostname (\S*?):/,
    message: (d, m) => `there is no host \`${m[1] || d.host}\``,
    hint: (d) => d.near !== undefined ? `did you mean \`${d.near}\` of conf/devices.ts?` : `give an address, a \`Host\` of ~/.ssh/config, or a name that conf/devices.ts has${d.name === d.host ? "" : `: \`host\` of \`${d.name}\` is \`${d.host}\``}`,
  },
  {
    code: "ssh.algorithms",
    says: /no matching ([^.:]+) found\. Their offer: (.*)/,
    message: (d, m) => `ssh here and sshd on ${named(d)} have no ${m[1]} in common; it offers ${m[2]!.trim()}`,
    hint: () => "ssh_config(5) tells how to allow an old one, for this host alone: `ssh: [\"HostKeyAlgorithms=+ssh-rsa\"]` in conf/devices.ts",
  },
  {
    code: "ssh.closed",
    says: /Connection (?:closed|reset)|closed by remote host|kex_exchange_identification|ssh_exchange_identification/,
    message: (d) => `${named(d)} closes the connection before anybody has logged in`,
    hint: () => "sshd does so while it starts, without a host key, or with too many who log in at once (MaxStartups); its console says more",
  },
];

/** Why no connection came about, from all that ssh said. */
export function failureOf(d: Device, log: string): UserError {
  for (const f of failures) {
    const m = f.says.exec(log);
    if (m) return new UserError(f.code, f.message(d, m, log), { hint: f.hint?.(d, m, log), exit: exitStatus.device });
  }
  return new UserError("ssh.failed", `no connection to ${named(d)}`, { details: log.trim() || "ssh said nothing", hint: `${login(d)} -v   # says more`, exit: exitStatus.device });
}

/** Why it is no more. */
export function lost(d: Device, log: string): UserError {
  const why = /not responding|timed out/.test(log) ? "it does not answer any more" : /reset by peer|Broken pipe/.test(log) ? "it was reset" : /closed by remote host|Connection to .* closed/.test(log) ? "the device closed it" : "ssh ended";
  return new UserError("ssh.lost", `the connection to ${named(d)} broke off: ${why}`, { exit: exitStatus.device, hint: `debcast status ${d.name}   # once it is back` });
}

/** Why a script did not run as root, if that is what `stderr` says. */
export function rootRefused(d: Device, stderr: string): UserError | undefined {
  const hint = 'scriptlets: ["push", …], options: { push: { users: ["NAME"] } }   # in its conf, or give `root@` as the host';
  if (/^sudo: .*(password is required|a terminal is required|must have a tty|not allowed|not in the sudoers)|is not in the sudoers file/m.test(stderr)) {
    return new UserError("push.sudo", `whoever logs in on ${named(d)} may not become root without a password`, { exit: exitStatus.device, hint });
  }
  if (/sudo: (command )?not found|exec: sudo/.test(stderr)) {
    return new UserError("push.no-sudo", `${named(d)} has no sudo, and whoever logs in is not root`, { exit: exitStatus.device, hint });
  }
  return undefined;
}

/** `gw1 (root@192.0.2.7)`, or the one of both that says it all. */
function named(d: Device): string {
  const address = addressText(d);
  return d.name === address || d.name === d.host ? `\`${d.name}\`` : `\`${d.name}\` (${address})`;
}

/** The user's own ssh to it. */
function login(d: Device): string {
  return shellQuote(["ssh", ...d.ssh.flatMap((o) => ["-o", o]), ...(d.port === undefined ? [] : ["-p", String(d.port)]), d.host]);
}

/** The line that takes the old key out: Debian's ssh says it itself. */
function forget(log: string): string {
  const said = /^\s*(ssh-keygen -f .* -R .*?)\s*$/m.exec(log);
  return said?.[1] ?? "ssh-keygen -R HOST";
}

function found(log: string, what: RegExp, text: (found: string) => string): string {
  const m = what.exec(log);
  return m ? text(m[1]!) : "";
}

function trimmed(line: string): string {
  return line.replace(/\r/g, "").replace(/^command-line:? line 0: /, "").replace(/\.$/, "").trim();
}
