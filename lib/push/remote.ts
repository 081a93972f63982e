// The one script that a push runs on the device: it says how things are there, and then does what it is told, a line at a time. A process
// more costs a small device 50 ms and more, so it is all builtins of the shell but for what has to be done.
//
// What it leaves in /var/lib/debcast: `mark`, the image that the device is; `half`, the ids of images that pushes began to make of it since
// then, a line each, and gone when one of them is through. `tmp` is where rsync puts a file until it is whole.
import { UserError, exitStatus } from "../errors.ts";
import type { Connection } from "./connection.ts";
import { mountsIn } from "./protect.ts";
import { fullDisk, isFull } from "./room.ts";

export const state = "/var/lib/debcast";
export const temporary = `${state}/tmp`;

/** Functions of the shell: the lines of a file with a word before each, and what there is of a mark, which `parseMarks` reads. */
export const marksScript = `
d=${state}
lines() { while IFS= read -r l || [ -n "$l" ]; do printf '%s %s\\n' "$2" "$l"; done < "$1"; }
marks() {
  [ ! -f $d/mark ] || lines $d/mark mark
  [ ! -e $d/half ] || { echo half; lines $d/half half; }
  [ ! -f /persist/push/tree$d/mark ] || lines /persist/push/tree$d/mark staged
  [ ! -f /persist/push.refused ] || lines /persist/push.refused refused
}
`;

const script = `
umask 022
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
export PATH LC_ALL
${marksScript}
slot=/run/debcast-slot due=/run/debcast-due lock=/run/debcast-push.lock beat=/run/debcast-push.beat locked=
hello() {
  lines /proc/sys/kernel/osrelease kernel
  lines /proc/sys/kernel/random/boot_id boot
  lines /proc/mounts mount
  marks
  [ ! -f $slot ] || while IFS= read -r l; do echo "$l"; done < $slot
  [ ! -f $due ] || lines $due due
  ! command -v rsync > /dev/null || echo rsync
  [ ! -d /run/systemd/system ] || echo systemd
  room
}
room() { stat -f -c 'room %a %S %d' /; }
# What a push that is no more may still be sending.
orphans() {
  for p in /proc/[0-9]*; do
    case $(tr '\\0' ' ' 2> /dev/null < $p/cmdline) in "rsync --server"*$d/tmp*) kill \${p#/proc/} ;; esac
  done
}
begin() {
  exec 9>> $lock
  # One that was killed just now is at its last command.
  if ! flock -w 3 9; then
    read -r pid who < $lock
    doing=; [ ! -f $beat ] || read -r doing < $beat
    # Whoever holds it has to be heard every few seconds while he has nothing to do: else his connection is gone.
    [ "$doing" != waiting ] || [ "$pid" -le 1 ] || [ -z "$(find $beat -mmin +0.25)" ] || { kill "$pid"; orphans; flock -w 5 9 && pid=; }
    [ -z "$pid" ] || { printf '%s\\n' "$who"; return 75; }
  fi
  printf '%s %s\\n' $$ "$1" > $lock
  locked=1
  # What a push that was cut short has not put in its place, there and where rsync keeps libraries until all of them are whole.
  [ ! -e $d/tmp ] || rm -rf $d/tmp /usr/lib/.~tmp~ /usr/lib/*-linux-*/.~tmp~ /usr/local/lib/.~tmp~ /usr/local/lib/*-linux-*/.~tmp~
  marks
  room
}
half() {
  # Of a root in RAM: the image that its disk holds.
  [ -z "\${2:-}" ] || [ -e $slot ] || [ ! -f $d/mark ] || lines $d/mark slot > $slot
  [ -d $d ] || mkdir -p $d || return
  # Before anything that it tells of.
  printf '%s\\n' "$1" >> $d/half && sync $d/half || return
  mkdir -m 700 $d/tmp
}
groups() { for pid; do [ ! -r /proc/$pid/cgroup ] || lines /proc/$pid/cgroup $pid; done; }
done_() {
  printf "$1" > $d/mark.new && sync -f $d/mark.new && mv $d/mark.new $d/mark && rm -rf $d/half $d/tmp
}
hello
echo '=end 0'
while IFS= read -r line; do
  [ -z "$locked" ] || echo working > $beat
  if eval "$line" < /dev/null 2>&1; then s=0; else s=$?; fi
  [ -z "$locked" ] || echo waiting > $beat
  echo "=end $s"
done
`;

/** What the device says of itself. */
export interface Hello {
  /** `uname -r` */
  readonly kernel: string;
  readonly boot: string;
  readonly root: { readonly type: string; readonly options: readonly string[] };
  /** What is mounted below /, apart from what every Linux has; paths as bytes. */
  readonly mounts: readonly string[];
  /** Of the image that it is; empty when no push nor disk left one. */
  readonly mark: Readonly<Record<string, string>>;
  /** Of the image on the disk below a root in RAM, where it is another one by now. */
  readonly slot: Readonly<Record<string, string>> | undefined;
  /** Ids of the images that pushes began to make of it and did not end; undefined when there were none. */
  readonly half: readonly string[] | undefined;
  /** Why a restart is due since it was started. */
  readonly due: readonly string[];
  /** Of the image that waits on /persist for the next start. */
  readonly staged: Readonly<Record<string, string>> | undefined;
  /** Why what waited was not put on the disk when it was last started. */
  readonly refused: string | undefined;
  readonly rsync: boolean;
  readonly systemd: boolean;
  readonly free: { readonly bytes: number; readonly inodes: number };
}

export interface Answer {
  readonly status: number;
  /** What it said, stderr too. */
  readonly lines: readonly string[];
}

export interface Remote {
  readonly hello: Hello;
  /** Does a line of shell there. Its status is no error. */
  ask(line: string): Promise<Answer>;
  /** Does one that has to succeed; `what` is for the error. */
  must(line: string, what: string): Promise<readonly string[]>;
  close(): Promise<void>;
}

/** While nothing else is said; a holder of the lock that is not heard for a quarter of a minute loses it. */
const beatMs = 5000;

export async function openRemote(connection: Connection): Promise<Remote> {
  const session = connection.session(script);
  const lines = session.lines[Symbol.asyncIterator]();
  const answer = async (): Promise<Answer> => {
    const said: string[] = [];
    for (;;) {
      const next = await lines.next();
      if (next.done) {
        const { status, stderr } = await session.ended;
        throw new UserError("push.session", `the script on \`${connection.device.name}\` ended with status ${status}`, { details: [...said, stderr.trim()].join("\n").trim(), exit: exitStatus.device });
      }
      const end = /^=end (\d+)$/.exec(next.value);
      if (end) return { status: Number(end[1]), lines: said };
      said.push(next.value);
    }
  };
  const hello = parseHello((await answer()).lines);
  let last: Promise<unknown> = Promise.resolve();
  let waiting = 0;
  const ask = (line: string) => {
    waiting++;
    const mine = last.then(() => {
      session.write(line);
      return answer();
    }).finally(() => waiting--);
    last = mine.catch(() => {});
    return mine;
  };
  const timer = setInterval(() => {
    if (waiting === 0) ask(":").catch(() => {});
  }, beatMs);
  timer.unref();
  return {
    hello, ask,
    must: async (line, what) => {
      const r = await ask(line);
      if (r.status === 0) return r.lines;
      // A shell that cannot write says `I/O error`, whatever is the matter.
      const room = await ask("room");
      if (room.status === 0 && isFull(parseRoom(room.lines))) throw fullDisk(connection.device.name, [what, ...r.lines].join("\n"));
      throw new UserError("push.device", `\`${connection.device.name}\`: ${what}`, { details: r.lines.join("\n"), exit: exitStatus.device });
    },
    close: async () => {
      clearInterval(timer);
      session.end();
      await session.ended.catch(() => {});
    },
  };
}

/** What is free on /, in what `begin` or `hello` say. Some file systems have no fixed number of inodes, and say 0. */
export function parseRoom(lines: readonly string[]): Hello["free"] {
  const [blocks = 0, size = 0, inodes = 0] = (lines.find((l) => l.startsWith("room ")) ?? "").split(" ").slice(1).map(Number);
  return { bytes: blocks * size, inodes: inodes || Infinity };
}

/** What there is of a mark in what `begin` or `hello` say. */
export function parseMarks(lines: readonly string[]): Pick<Hello, "mark" | "half" | "staged" | "refused"> {
  return {
    mark: fieldsOf(saidOf(lines, "mark")),
    half: lines.includes("half") ? saidOf(lines, "half") : undefined,
    staged: saidOf(lines, "staged").length === 0 ? undefined : fieldsOf(saidOf(lines, "staged")),
    refused: saidOf(lines, "refused")[0],
  };
}

/** What follows this word, where a line begins with it. */
export function saidOf(lines: readonly string[], word: string): string[] {
  return lines.filter((l) => l.startsWith(`${word} `)).map((l) => l.slice(word.length + 1));
}

/** `KEY=VALUE` each. */
function fieldsOf(lines: readonly string[]): Record<string, string> {
  return Object.fromEntries(lines.map((l) => [l.slice(0, l.indexOf("=")), l.slice(l.indexOf("=") + 1)]));
}

function parseHello(lines: readonly string[]): Hello {
  const all = (word: string) => saidOf(lines, word);
  const { root, others } = mountsIn(all("mount").join("\n"));
  return {
    kernel: all("kernel")[0] ?? "", boot: all("boot")[0] ?? "", root, mounts: others,
    ...parseMarks(lines),
    slot: all("slot").length === 0 ? undefined : fieldsOf(all("slot")),
    due: all("due"),
    rsync: lines.includes("rsync"), systemd: lines.includes("systemd"),
    free: parseRoom(lines),
  };
}

// ── Words for the script ───────────────────────────────────────────────────────────────────────────────────────────

/** Bytes as a format of printf that is one line of ASCII, whatever is in them. */
export function printfFormat(bytes: string): string {
  const escaped = bytes.replace(/[^\x20-\x7e]|[\\%']/g, (c) => (c === "%" ? "%%" : `\\${c.charCodeAt(0).toString(8).padStart(3, "0")}`));
  return `'${escaped}'`;
}

/** A command that gets these paths as its arguments, however many there are. */
export function withPaths(command: string, paths: readonly string[]): string {
  return `printf ${printfFormat(paths.map((p) => `${p}\0`).join(""))} | xargs -0r ${command}`;
}
