// Invariants 1 and 2 on the images that ship: an ordinary Debian with nothing of the build in it.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { hostMirrors } from "../../lib/mirrors.ts";
import { verifyPackages } from "../../lib/rootfs/verify.ts";
import { engineRoot } from "../../lib/engine.ts";
import { debcastOk, isRoot } from "./debcast.ts";

/** The lock that every build of these tests starts from, ids included. */
async function buildOnce(name: string): Promise<void> {
  await debcastOk(["image", "-c", name]);
  await debcastOk(["tar", "-c", name]);
}

for (const name of ["base", "gateway"]) {
  test(`${name}: every package installed, dpkg and apt find nothing`, async () => {
    await buildOnce(name);
    const image = join(engineRoot, "image", name);
    const status = readFileSync(join(image, "var/lib/dpkg/status"), "utf8");
    const states = new Set([...status.matchAll(/^Status: (.*)$/gm)].map((m) => m[1]));
    expect([...states]).toEqual(["install ok installed"]);
    const inImage = (script: string) => debcastOk(["shell", "-c", name, "--", "sh", "-c", script]);
    expect((await inImage("dpkg --audit")).stdout).toBe("");
    const [debian, security] = [hostMirrors().main[0], hostMirrors().security[0]];
    const sources = [`deb ${debian} trixie main non-free-firmware`, `deb ${debian} trixie-updates main non-free-firmware`, ...(security ? [`deb ${security} trixie-security main non-free-firmware`] : [])];
    const apt = await inImage(`printf '%s\\n' ${sources.map((s) => `'${s}'`).join(" ")} > /etc/apt/sources.list; apt-get update -qq && apt-get check -qq && apt-get -s -qq install --no-install-recommends -f`);
    expect(apt.stdout).toBe("");
    expect(readdirSync(join(image, "var/lib/apt/lists")).filter((f) => f.includes("_"))).toEqual([]);
  });
}

test("gateway: dpkg --verify tells of excluded paths and of what steps changed, and of nothing else", async () => {
  const made = new Set((JSON.parse(readFileSync(join(engineRoot, "out/gateway.made.json"), "utf8")) as { path: string }[]).map((m) => m.path));
  const excludes = readFileSync(join(engineRoot, "image/gateway/etc/dpkg/dpkg.cfg.d/debcast-excludes"), "utf8");
  const prefixes = [...excludes.matchAll(/^path-exclude=(.*)$/gm)].map((m) => new RegExp(`^${m[1]!.replace(/[.+^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*")}`));
  const { stdout } = await debcastOk(["shell", "-c", "gateway", "--", "sh", "-c", "dpkg --verify || true"]);
  const lines = stdout.split("\n").filter(Boolean);
  // The gate of the build says the same when it may take nothing for granted.
  expect(verifyPackages(join(engineRoot, "image/gateway"), new Map())).toEqual([...lines].sort());
  const unexpected = lines.filter((l) => !made.has(l.slice(l.indexOf("/"))) && !prefixes.some((p) => p.test(l.slice(l.indexOf("/")))));
  expect(unexpected).toEqual([]);
});

/** Each program run once more on the finished image: copies what it wrote, runs it, and names what differs. */
const again = `
K=$(ls /usr/lib/modules); mkdir /tmp/was
keep() { mkdir -p "/tmp/was$1"; cp -a "$1/." "/tmp/was$1"; }
same() { diff -r --no-dereference "/tmp/was$1" "$1" || echo "$2 does not make what is in the image"; }
keep /usr/lib/modules; depmod "$K"; same /usr/lib/modules depmod
keep /usr/lib/udev; systemd-hwdb --usr update; same /usr/lib/udev systemd-hwdb
keep /usr/share/mime; update-mime-database /usr/share/mime; same /usr/share/mime update-mime-database
keep /var/cache/fontconfig; rm /var/cache/fontconfig/*.cache-*; fc-cache -s -f; same /var/cache/fontconfig fc-cache
keep /etc/ssl/certs; find /etc/ssl/certs -mindepth 1 -delete; update-ca-certificates --fresh >/dev/null; same /etc/ssl/certs update-ca-certificates
keep /boot; rm /boot/initrd.img-*; update-initramfs -c -k "$K" >/dev/null; same /boot update-initramfs
`;

test("gateway: what was remembered of programs is what they make", async () => {
  const r = await debcastOk(["shell", "-c", "gateway", "--", "sh", "-c", again]);
  expect(r.stdout).toBe("");
});

test.skipIf(!isRoot)("an image holds none of what a build leaves", () => {
  const image = join(engineRoot, "image/gateway");
  const found = execFileSync("find", [image, "(", "-name", "*eatmydata*", "-o", "-name", "policy-rc.d", "-o", "-name", "ssh_host_*", "-o", "-type", "b", "-o", "-type", "c", "-o", "-type", "s", "-o", "-type", "p", ")"]).toString();
  expect(found).toBe("");
  const { mtimeMs } = statSync(join(image, "var/lib/dpkg/status")); // what the build wrote has the latest time that there is
  expect(execFileSync("find", [image, "-newermt", `@${mtimeMs / 1000}`]).toString()).toBe("");
  expect(readFileSync(join(image, "etc/machine-id"), "utf8")).toBe("");
  expect(existsSync(join(image, "etc/resolv.conf")) ? readFileSync(join(image, "etc/resolv.conf"), { encoding: "utf8", flag: "r" }) : "").not.toContain("nameserver");
});
