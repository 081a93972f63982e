// Restore sticks for the tests: of a system that is as small as one that starts can be, so that it is restored within a minute under emulation.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { engineRoot } from "../../lib/engine.ts";
import { debcastOk, project } from "./debcast.ts";

const rarely = "gpu,media,infiniband,staging,iio,comedi,scsi,hwmon,input,hid,mtd,isdn,bluetooth,md,ata,nvme,mmc,message,platform,power,leds,thunderbolt,target,crypto,edac,i2c,spi,watchdog,usb,nvdimm,firewire,pinctrl,mfd,regulator,gpio,pcmcia,parport,tty,video,vfio,xen,hv,accel,dma,extcon,memstick,misc,mux,ptp,rapidio,soundwire,ssb,bcma,uio,vhost,visorbus,w1";

/** conf/NAME.ts of that system; `disk` and `scriptlets` as in a conf. */
export function smallSystem(o: { disk?: string; scriptlets?: readonly string[] } = {}): string {
  return `import { defineImage } from "debcast";
export default defineImage({
  suite: "trixie", arch: "amd64", hostname: "small",
  scriptlets: ["host", "kernel", "disk", ${(o.scriptlets ?? []).map((s) => `"${s}", `).join("")}"rm"],
  disk: ${o.disk ?? '{ root: { mode: "rw" } }'},
  cmdline: ["console=ttyS0,115200", "panic=10"],
  excludes: [
    "/usr/lib/modules/*/kernel/{sound,arch,security,samples}/**", "/usr/lib/modules/*/kernel/drivers/{${rarely}}/**", "/usr/lib/modules/*/kernel/drivers/net/[a-u]*/**",
    "/usr/lib/modules/*/kernel/net/[a-z]*/**", "/usr/lib/modules/*/kernel/fs/{btrfs,xfs,ocfs2,gfs2,nfs,nfsd,ceph,smb,f2fs,jfs,ubifs,orangefs,dlm,9p,afs,bcachefs,nilfs2,udf,reiserfs}/**",
    "/usr/share/zoneinfo/**", "/usr/lib/x86_64-linux-gnu/gconv/**",
  ],
});
`;
}

/** A project with confs of that kind, by name; the locks of all of them, the stick's too, begin as that of the shipped base. */
export async function stickProject(confs: Readonly<Record<string, string>>, o: { parent?: string; files?: Readonly<Record<string, string>>; owner?: string }): Promise<{ dir: string; [Symbol.dispose](): void }> {
  await debcastOk(["lock"]);
  const lock = readFileSync(join(engineRoot, "conf/base.lock"), "utf8");
  return project({
    "conf/stick.lock": lock,
    ...Object.fromEntries(Object.entries(confs).flatMap(([name, text]) => [[`conf/${name}.ts`, text], [`conf/${name}.lock`, lock]])),
    ...o.files,
  }, { ...(o.parent !== undefined && { parent: o.parent }), ...(o.owner !== undefined && { owner: o.owner }) });
}

const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin`, MTOOLS_SKIP_CHECK: "1", MTOOLSRC: "/dev/null" };

export interface Part {
  readonly name: string;
  readonly type: string;
  readonly uuid: string;
  /** Bytes. */
  readonly start: number;
  readonly size: number;
}

/** The partitions of a disk, as sfdisk sees them. */
export function partitions(file: string): Part[] {
  const table = JSON.parse(execFileSync("sfdisk", ["--json", file], { env }).toString()) as { partitiontable: { partitions: { name: string; type: string; uuid: string; start: number; size: number }[] } };
  return table.partitiontable.partitions.map((p) => ({ name: p.name, type: p.type, uuid: p.uuid, start: p.start * 512, size: p.size * 512 }));
}

/** The partition RESTORE of a stick, as any machine reads and writes it. */
export interface Restore {
  list(): string[];
  read(path: string): Buffer;
  write(path: string, content: string | Buffer): void;
  remove(path: string): void;
}

export function restoreOf(stick: string, work: string): Restore {
  const at = `${stick}@@${partitions(stick).find((p) => p.name === "RESTORE")!.start}`;
  const mtools = (program: string, ...words: string[]) => execFileSync(program, ["-i", at, ...words], { env, maxBuffer: 1 << 30 });
  return {
    list: () => mtools("mdir", "-/", "-b", "::").toString().split("\n").filter((l) => l !== "" && !l.endsWith("/")).map((l) => l.replace("::/", "")).sort(),
    read: (path) => mtools("mtype", `::${path}`),
    write: (path, content) => {
      const file = join(work, "content");
      writeFileSync(file, content);
      mtools("mcopy", "-o", file, `::${path}`);
      rmSync(file);
    },
    remove: (path) => void mtools("mdel", `::${path}`),
  };
}

/** Puts another file on the stick, with the checksum that it then has. */
export function replaceSummed(restore: Restore, path: string, content: string): void {
  restore.write(path, content);
  const sum = createHash("sha256").update(content).digest("hex");
  const sums = restore.read("SHA256SUMS").toString().split("\n").map((line) => (line.endsWith(`  ${path}`) ? `${sum}  ${path}` : line));
  restore.write("SHA256SUMS", sums.join("\n"));
}

export function sha256(file: string): string {
  return execFileSync("sha256sum", [file]).toString().slice(0, 64);
}
