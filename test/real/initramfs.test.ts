// The kernel's modules are copied into an initramfs at once: what scriptlets say of modules and firmware is in it all the same, and it is
// what update-initramfs makes by itself.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { debcastOk, project } from "./debcast.ts";

const conf = `import { defineImage } from "debcast";
export default defineImage({ suite: "trixie", arch: "amd64", hostname: "modules", scriptlets: ["host", "apt-sources", "kernel", "asks"] });
`;
const asks = (steps: string) => `import { need, run } from "debcast";
need("kernel");
run(({ write, append, mkdir, inImage }) => {
  void [write, append, mkdir, inImage];
  ${steps}
});
`;
const again = `K=$(ls /usr/lib/modules); mv /boot/initrd.img-$K /tmp/was; update-initramfs -c -k $K >/dev/null 2>&1
cmp /tmp/was /boot/initrd.img-$K && echo same; lsinitramfs /boot/initrd.img-$K`;

let p: ReturnType<typeof project>;
beforeAll(() => {
  p = project({ "conf/asks.ts": conf, "base/asks.ts": asks("") });
});
afterAll(() => p[Symbol.dispose]());

/** What is in the initramfs, after a line that says whether it is the real one; and how many modules were copied at once. */
async function made(steps: string): Promise<{ lines: string[]; copied: number }> {
  writeFileSync(join(p.dir, "base/asks.ts"), asks(steps));
  await debcastOk(["image", "-c", "asks", "-C", p.dir]);
  const { stdout } = await debcastOk(["shell", "-c", "asks", "-C", p.dir, "--", "sh", "-c", again]);
  const log = await debcastOk(["log", "initramfs", "-c", "asks", "-C", p.dir]);
  return { lines: stdout.split("\n"), copied: [...log.stdout.matchAll(/^dracut-install: (\d+) modules copied at once$/gm)].reduce((sum, m) => sum + Number(m[1]), 0) };
}

test("a module that is to be loaded before another, one of one's own choice, and firmware that a module asks for", async () => {
  const { lines, copied } = await made(`
  write("/etc/modprobe.d/asks.conf", "softdep ahci pre: dummy\\n");
  append("/etc/initramfs-tools/modules", "bonding\\n");
  mkdir("/usr/lib/firmware/rtl_nic");
  write("/usr/lib/firmware/rtl_nic/rtl8168d-1.fw", "firmware");`);
  expect(lines[0]).toBe("same");
  for (const file of [/\/ahci\.ko/, /\/dummy\.ko/, /\/bonding\.ko/, /\/rtl_nic\/rtl8168d-1\.fw$/]) expect(lines.filter((l) => file.test(l))).not.toEqual([]);
  expect(copied).toBeGreaterThan(500);
});

test("another choice of modules than most of them; a module that is a link is left to dracut-install", async () => {
  const { lines, copied } = await made(`
  write("/etc/initramfs-tools/conf.d/asks", "MODULES=list\\n");
  append("/etc/initramfs-tools/modules", "r8169\\n");
  inImage\`K=$(ls /usr/lib/modules); cd /usr/lib/modules/$K; mv kernel/drivers/net/ethernet/realtek/r8169.ko* /usr/local/lib/; ln -s /usr/local/lib/r8169.ko* kernel/drivers/net/ethernet/realtek/\`;`);
  expect(lines[0]).toBe("same");
  expect(lines.filter((l) => /\/r8169\.ko/.test(l)).length).toBe(2);
  expect(lines.filter((l) => /\/ahci\.ko/.test(l))).toEqual([]);
  expect(copied).toBeLessThan(100);
});
