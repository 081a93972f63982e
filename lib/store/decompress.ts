// From compressed members of .debs to plain tars. The data never comes through this process.
// Measured for 367 .debs (720 MB decompressed, two cores): `xz` 8.8 s, `dpkg-deb --fsys-tarfile` 10.8 s. The xz of the tools tree
// (5.8) needs half the time of Debian 12's (5.4): so it takes over as soon as it is there itself.
import { closeSync, existsSync, fstatSync, openSync, readdirSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { formatBytes } from "../format.ts";
import { UserError } from "../errors.ts";
import { anyStatus, run } from "../run.ts";
import { readAt, type Compression, type Member } from "./ar.ts";

/** No data.tar is allowed to become larger than this, whatever it declares. */
export const defaultLimit = 4 * 2 ** 30;

export interface Job {
  /** Absolute path of the .deb. */
  readonly deb: string;
  readonly member: Member;
  /** File name, made in the directory of all jobs. */
  readonly to: string;
  /** The output is cut off here. */
  readonly limit: number;
}

/** What became of a job: nothing if all is well, else what was said. */
export type JobFault = { reason: "too large" } | { reason: "broken"; said: string } | { reason: "no program"; program: string };

const programs: Readonly<Record<Compression, string>> = {
  none: "cat", gz: "gzip -dc", xz: "xz -dc", zst: "zstd -dcq", bz2: "bzip2 -dc", lzma: "xz -dc --format=lzma",
};

// head leaves the offset of its file right behind what it read, so xz begins at its member; it stops by itself at the end of
// its stream, where others must be stopped. ulimit counts in 512 bytes, and makes the limit a hard one.
const script = `
while IFS=' ' read -r to skip size blocks program deb; do
  (
    ulimit -f "$blocks"
    head -c "$skip" >/dev/null || exit
    case "$program" in
      xz) exec $xz -dc --single-stream ;;
      ${Object.entries(programs).map(([name, command]) => `${name}) head -c "$size" | ${command} ;;`).join("\n      ")}
    esac
  ) <"$deb" 2>&1 >"$to"
  echo "debcast-status $?"
done`;

type Done = (job: Job, fault?: JobFault) => void;

/** Does all jobs, calling `done` after each. */
export async function decompressAll(o: { dir: string; xz: string }, jobs: readonly Job[], done: Done): Promise<void> {
  const small = new Set(smallOnes(jobs));
  // Which one is broken shows itself when each is done alone.
  const together = small.size > 1 && (await decompressTogether(o, [...small], done));
  await decompressInOrder(o, together ? jobs.filter((j) => !small.has(j)) : jobs, done);
}

/** Those for which starting programs takes longer than their work. */
function smallOnes(jobs: readonly Job[]): Job[] {
  let total = 0;
  return jobs.filter((j) => j.member.compression === "xz" && j.member.size <= 64 << 10 && j.limit <= 1 << 20 && (total += j.limit) <= 32 << 20);
}

/** xz streams by one process; the limit of each is its exact size. Does nothing, and says so, if one of them is not whole. */
async function decompressTogether(o: { dir: string; xz: string }, jobs: readonly Job[], done: Done): Promise<boolean> {
  const file = join(o.dir, `together.${process.pid}.${together++}.part`);
  const fd = openSync(file, "wx+");
  try {
    unlinkSync(file);
    const r = await run([...o.xz.split(" "), "-dc"], { input: Buffer.concat(jobs.map(compressed)), stdout: fd, ok: anyStatus, what: "could not decompress packages" });
    const total = jobs.reduce((sum, j) => sum + j.limit, 0);
    if (r.code !== 0 || fstatSync(fd).size !== total) return false;
    const all = readAt(fd, 0, total);
    let at = 0;
    for (const j of jobs) {
      writeFileSync(join(o.dir, j.to), all.subarray(at, (at += j.limit)));
      done(j);
    }
    return true;
  } finally {
    closeSync(fd);
  }
}

let together = 0;

function compressed(job: Job): Buffer {
  const fd = openSync(job.deb, "r");
  try {
    return readAt(fd, job.member.offset, job.member.size);
  } finally {
    closeSync(fd);
  }
}

/** One shell does them all, because a spawn from a process of our size costs 4 ms, and there are two jobs for every package. */
async function decompressInOrder(o: { dir: string; xz: string }, jobs: readonly Job[], done: Done): Promise<void> {
  if (jobs.length === 0) return;
  const input = jobs.map((j) => `${j.to} ${j.member.offset} ${j.member.size} ${Math.ceil(j.limit / 512)} ${j.member.compression} ${j.deb}\n`).join("");
  let index = 0;
  let pending = "";
  const onOutput = (text: string) => {
    pending += text;
    for (let m; (m = /debcast-status (\d+)\n/.exec(pending)); pending = pending.slice(m.index + m[0].length)) {
      const job = jobs[index++]!;
      done(job, faultOf(job, Number(m[1]), pending.slice(0, m.index)));
    }
  };
  await run(["sh", "-c", `xz=$0 ${script}`, o.xz], { cwd: o.dir, input, onOutput, what: "could not decompress packages" });
}

function faultOf(job: Job, status: number, said: string): JobFault | undefined {
  if (status === 0) return undefined;
  // 128 + SIGXFSZ; gzip and others say it in words.
  if (status === 153 || /File too large|File size limit/i.test(said)) return { reason: "too large" };
  if (status === 127) return { reason: "no program", program: programs[job.member.compression].split(" ")[0]! };
  return { reason: "broken", said: said.trim() || `status ${status}` };
}

/** The command line of the xz in a tools tree, through that tree's own loader and libraries; undefined if it does not run here. */
export async function xzOf(tools: string): Promise<string | undefined> {
  const libraries = globSync("usr/lib/*-linux-gnu", tools)[0];
  const loader = globSync("usr/lib64/ld-linux-*.so.*", tools)[0] ?? globSync("usr/lib/ld-linux-*.so.*", tools)[0];
  // The words of the command are parted at spaces.
  if (libraries === undefined || loader === undefined || /[\s*?[\]]/.test(tools)) return undefined;
  const command = `${join(tools, loader)} --library-path ${join(tools, libraries)} ${join(tools, "usr/bin/xz")}`;
  const r = await run([...command.split(" "), "--version"], { ok: anyStatus }).catch(() => undefined);
  return r?.code === 0 ? command : undefined;
}

/** Names in a directory that fit `DIR/PATTERN`. */
function globSync(pattern: string, root: string): string[] {
  const dir = pattern.slice(0, pattern.lastIndexOf("/"));
  const fits = new RegExp(`^${pattern.slice(dir.length + 1).replaceAll(".", "\\.").replaceAll("*", ".*")}$`);
  return existsSync(join(root, dir)) ? readdirSync(join(root, dir)).filter((n) => fits.test(n)).map((n) => join(dir, n)) : [];
}

/** What `bytes` of compressed data may become: 1000 times as much, but 64 MiB in any case. */
export function limitFor(bytes: number, limit: number): number {
  return Math.min(limit, Math.max(64 << 20, bytes * 1000));
}

export function faultError(label: string, fault: JobFault, limit: number): UserError {
  if (fault.reason === "too large") {
    return new UserError("deb.too-large", `\`${label}\` unpacks to more than ${formatBytes(limit)}, which is refused`);
  }
  if (fault.reason === "no program") {
    return new UserError("deb.no-program", `\`${label}\` is compressed in a way that needs \`${fault.program}\`, which this machine lacks`, {
      hint: `sudo apt-get install ${fault.program}`,
    });
  }
  return new UserError("deb.broken", `\`${label}\` cannot be decompressed: ${fault.said}`);
}
