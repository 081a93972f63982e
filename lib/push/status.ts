// How a device is doing, asked with one script of few programs: on a small or emulated device each of them takes a while.
import type { Connection } from "./connection.ts";
import { marksScript, parseMarks, saidOf } from "./remote.ts";

export interface Status {
  /** Of the image that it is: its id, conf, lock, when and by whom it was pushed; empty when no push nor disk left one. */
  readonly mark: Readonly<Record<string, string>>;
  /** Ids of images that pushes began to make of it and did not end. */
  readonly half: readonly string[] | undefined;
  /** Of the image that waits on /persist for the next start; undefined when none does. */
  readonly staged: Readonly<Record<string, string>> | undefined;
  /** Why what waited was not put on the disk when it was last started. */
  readonly refused: string | undefined;
  readonly hostname: string;
  readonly kernel: string;
  /** Seconds. */
  readonly uptime: number;
  /** As systemd says: `running`, `degraded`, `starting`; empty where there is no systemd. */
  readonly state: string;
  readonly failed: readonly string[];
  /** `ext4`, or `overlay` and `tmpfs` where what is written does not last. */
  readonly root: string;
  readonly space: readonly Space[];
}

/** Of one file system, in bytes. */
export interface Space {
  readonly mount: string;
  readonly size: number;
  readonly free: number;
}

const script = `
${marksScript}
say() { printf '%s %s\\n' "$@"; }
marks
read -r name < /proc/sys/kernel/hostname; say hostname "$name"
read -r kernel < /proc/sys/kernel/osrelease; say kernel "$kernel"
read -r up _ < /proc/uptime; say uptime "$up"
if [ -d /run/systemd/system ]; then
  state=$(systemctl is-system-running || :); say state "$state"
  [ "$state" = running ] || systemctl list-units --state=failed --plain --no-legend --full --no-pager | while read -r unit _; do say failed "$unit"; done
fi
df -l -P -T -B1 | while read -r _ type size _ free _ mount; do say space "$type $size $free $mount"; done
`;

/** What lies on a disk, and is worth a look beside /. */
const onDisk = /^(ext[234]|vfat|xfs|btrfs|f2fs|erofs|squashfs)$/;

export async function statusOf(connection: Connection): Promise<Status> {
  const { stdout } = await connection.run(script);
  const said = stdout.split("\n");
  const all = (word: string) => saidOf(said, word);
  const rows = all("space").map((row) => /^(?<type>\S+) (?<size>\d+) (?<free>\d+) (?<mount>.*)$/.exec(row)?.groups).filter((g) => g !== undefined);
  return {
    ...parseMarks(said),
    hostname: all("hostname")[0] ?? "", kernel: all("kernel")[0] ?? "", uptime: Number(all("uptime")[0] ?? 0), state: all("state")[0] ?? "",
    failed: all("failed"),
    root: rows.find((r) => r.mount === "/")?.type ?? "",
    space: rows.filter((r) => r.mount === "/" || onDisk.test(r.type!)).map((r) => ({ mount: r.mount!, size: Number(r.size), free: Number(r.free) })),
  };
}
