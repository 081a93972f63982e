// What the firmware finds on the EFI system partition: systemd-boot, and an entry for each kernel of the image (Boot Loader
// Specification, type 1). Kernel and initramfs lie in a folder that is named after what is in it, so that an entry never points to
// one that is being changed. base/disk/boot-entries, on the device, writes the same.
import { createHash } from "node:crypto";
import { existsSync, lstatSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { Conf } from "../plan/plan.ts";
import { UserError } from "../errors.ts";
import { resolveIn } from "../rootfs/paths.ts";
import type { Sandbox } from "../sandbox.ts";

export interface BootFile {
  /** Path on the partition. */
  readonly path: string;
  /** What it holds, or the file of the image that it is. */
  readonly content: string | { readonly file: string };
}

/** systemd-boot, from where Debian's systemd-boot-efi has it in the tools tree. */
export function bootLoader(sandbox: Sandbox): BootFile {
  return { path: "EFI/BOOT/BOOTX64.EFI", content: { file: join(sandbox.tools, "usr/lib/systemd/boot/efi/systemd-bootx64.efi") } };
}

/** Everything but the boot loader itself. `slot` is the partition that / is on. */
export function bootFiles(image: string, conf: Conf, slot: string): BootFile[] {
  const options = [`root=PARTLABEL=${slot}`, ...cmdlineOf(conf)].join(" ");
  const kernels = kernelsOf(image);
  if (kernels.length === 0) throw new UserError("disk.no-kernel", `\`${conf.name}\` has no kernel with an initramfs in /boot`, { hint: 'scriptlets: ["kernel", …],' });
  return [
    { path: "loader/loader.conf", content: "timeout 0\neditor no\n" },
    ...kernels.flatMap(({ version, kernel, initrd }) => {
      const folder = createHash("sha256").update(readFileSync(kernel)).update(readFileSync(initrd)).digest("hex").slice(0, 16);
      return [
        { path: `${folder}/linux`, content: { file: kernel } },
        { path: `${folder}/initrd`, content: { file: initrd } },
        { path: `loader/entries/debian-${version}.conf`, content: entry({ version, folder, options, title: titleOf(image) }) },
      ];
    }),
  ];
}

/** The words of the conf, with `ro` or `rw` as the mode of / wants it. */
export function cmdlineOf(conf: Conf): string[] {
  const mode = conf.disk?.root.mode ?? "rw";
  return [mode === "rw" ? "rw" : "ro", ...conf.cmdline.filter((w) => w !== "rw" && w !== "ro" && !w.startsWith("root="))];
}

function entry(e: { version: string; folder: string; options: string; title: string }): string {
  return `title ${e.title}\nversion ${e.version}\nsort-key debian\nlinux /${e.folder}/linux\ninitrd /${e.folder}/initrd\noptions ${e.options}\n`;
}

function titleOf(image: string): string {
  const release = readFileSync(resolveIn(image, "/etc/os-release"), "utf8");
  return /^PRETTY_NAME="(.*)"$/m.exec(release)?.[1] ?? "Debian";
}

function kernelsOf(image: string): { version: string; kernel: string; initrd: string }[] {
  const boot = resolveIn(image, "/boot");
  const names = (existsSync(boot) ? readdirSync(boot) : []).filter((n) => lstatSync(join(boot, n)).isFile());
  return names.filter((n) => n.startsWith("vmlinuz-")).map((n) => n.slice("vmlinuz-".length)).filter((v) => names.includes(`initrd.img-${v}`)).sort()
    .map((version) => ({ version, kernel: join(boot, `vmlinuz-${version}`), initrd: join(boot, `initrd.img-${version}`) }));
}
