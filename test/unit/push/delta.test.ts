// What a push would send and remove, told from made-up inventories.
import { expect, test } from "vitest";
import { deltaOf, mayBeInTheWay, passesOf, roomFor, share } from "../../../lib/push/delta.ts";
import type { Item, Items } from "../../../lib/push/inventory.ts";
import { guard, mountsIn } from "../../../lib/push/protect.ts";

const base: Item = { type: "f", mode: 0o644, uid: 0, gid: 0, size: 5, mtime: 1, content: "a", attributes: "", links: "", sparse: false };
const file = (content: string, more: Partial<Item> = {}): Item => ({ ...base, content, ...more });
const directory: Item = { ...base, type: "d", mode: 0o755, size: 0, mtime: 0, content: "" };
const link = (to: string): Item => ({ ...base, type: "l", mode: 0, size: 0, mtime: 0, content: to });
const items = (of: Record<string, Item>): Items => new Map(Object.entries(of));

test("what differs is sent, whatever differs; what is no more is gone", () => {
  const had = items({ "/a": file("a"), "/mode": file("a"), "/time": file("a"), "/owner": file("a"), "/caps": file("a"), "/linked": file("a"), "/kind": directory, "/kind/in": file("a"), "/old": file("a"), "/same": file("a", { sparse: true }) });
  const want = items({ "/a": file("b"), "/mode": file("a", { mode: 0o4755 }), "/time": file("a", { mtime: 2 }), "/owner": file("a", { gid: 5 }), "/caps": file("a", { attributes: "x" }), "/linked": file("a", { links: "y" }), "/kind": link("/etc"), "/new": file("a"), "/same": file("a") });
  const delta = deltaOf([had], want);
  expect(delta.send).toEqual(["/a", "/caps", "/kind", "/linked", "/mode", "/new", "/owner", "/time"]);
  expect(delta.gone).toEqual(["/kind/in", "/old"]);
  // Through the link that has taken the place of its directory, /kind/in would be a file of /etc.
  expect(share(delta, want, { whose: guard([]), had: (p) => had.has(p) }).gone).toEqual(["/old"]);
});

test("after a push that was cut short a path is as it was before, or as that push wanted it", () => {
  const ran = items({ "/a": file("1"), "/b": file("1"), "/c": file("1"), "/gone": file("1") });
  const cut = items({ "/a": file("2"), "/b": file("1"), "/c": file("2"), "/more": file("1") });
  const want = items({ "/a": file("1"), "/b": file("1"), "/c": file("2") });
  expect(deltaOf([ran, cut], want)).toEqual({ send: ["/a", "/c"], gone: ["/gone", "/more"] });
});

test("what is the device's stays out of it", () => {
  const paths = ["/etc/machine-id", "/etc/ssh/ssh_host_ed25519_key", "/etc/ssh/sshd_config", "/persist/etc/x", "/home", "/home/me/.profile", "/root/.bashrc", "/var/log/dpkg.log", "/etc/passwd", "/etc/passwd-", "/etc/hostname", "/srv/data/x", "/srv/database", "/data/x", "/var/lib/dpkg/status"];
  const whose = guard(["/srv/data/", "/data"]);
  expect(paths.map((p) => `${whose(p)} ${p}`)).toMatchInlineSnapshot(`
    [
      "device /etc/machine-id",
      "device /etc/ssh/ssh_host_ed25519_key",
      "image /etc/ssh/sshd_config",
      "device /persist/etc/x",
      "image /home",
      "seed /home/me/.profile",
      "seed /root/.bashrc",
      "seed /var/log/dpkg.log",
      "account /etc/passwd",
      "device /etc/passwd-",
      "setting /etc/hostname",
      "device /srv/data/x",
      "image /srv/database",
      "device /data/x",
      "image /var/lib/dpkg/status",
    ]
  `);
});

test("a home is made with what is in it, and what is in it later is its user's", () => {
  const had = items({ "/home": directory, "/home/a": directory, "/home/a/.profile": file("1") });
  const want = items({ "/home": directory, "/home/a": directory, "/home/a/.profile": file("2"), "/home/b": directory, "/home/b/.profile": file("1") });
  const shares = share(deltaOf([had], want), want, { whose: guard([]), had: (p) => had.has(p) });
  expect(shares).toEqual({ send: [], gone: [], seeds: ["/home/b", "/home/b/.profile"], accounts: [], settings: [], left: ["/home/a/.profile"] });
});

test("libraries first with the links to them, other links when they lead to something, dpkg's database last; all names of a file at once", () => {
  const want = items({
    "/usr/bin/x": file("1"), "/usr/lib/liba.so.1": link("liba.so.1.2"), "/usr/lib/liba.so.1.2": file("1"), "/usr/share": directory, "/usr/share/link": link("b"), "/var/lib/dpkg/status": file("1"),
    "/usr/lib/x86_64-linux-gnu/security/pam.so": file("1"), "/usr/lib/libb.so": file("1", { links: "b" }), "/usr/share/b": file("1", { links: "b", sparse: true }),
  });
  expect(passesOf([...want.keys()].sort(), want)).toEqual([
    { paths: ["/usr/lib/liba.so.1.2"], sparse: false, atOnce: true },
    { paths: ["/usr/lib/liba.so.1"], sparse: false, atOnce: false },
    { paths: ["/usr/bin/x", "/usr/lib/libb.so", "/usr/lib/x86_64-linux-gnu/security/pam.so", "/usr/share", "/usr/share/b"], sparse: true, atOnce: false },
    { paths: ["/usr/share/link", "/var/lib/dpkg/status"], sparse: false, atOnce: false },
  ]);
});

test("room: what grows, and the largest file twice; above an overlay all of it", () => {
  const had = items({ "/a": file("1", { size: 1e6 }), "/l1": file("1", { size: 8e6, links: "l" }) });
  const want = items({ "/a": file("2", { size: 1.5e6 }), "/b": file("2", { size: 1 }), "/l1": file("2", { size: 8e6, links: "m" }), "/l2": file("2", { size: 8e6, links: "m" }), "/hole": file("2", { size: 1e12, sparse: true }) });
  const paths = [...want.keys()];
  expect(roomFor(paths, want, { had, copied: false })).toEqual({ bytes: 499712 + 4096 + 8003584, inodes: 1 });
  expect(roomFor(paths, want, { had, copied: true })).toEqual({ bytes: 1503232 + 4096 + 8003584 + 8003584, inodes: 1 });
});

test("room: libraries are there twice until all of them are whole", () => {
  const library = (n: number, content: string) => ({ [`/usr/lib/lib${n}.so.1`]: file(content, { size: 10_002_432 }) });
  const of = (content: string) => items({ ...library(1, content), ...library(2, content), ...library(3, content), "/a": file(content) });
  expect(roomFor([...of("2").keys()], of("2"), { had: of("1"), copied: false })).toEqual({ bytes: 3 * 10_002_432, inodes: 0 });
});

test("what may keep a device from getting a link or a file", () => {
  const want = items({ "/srv": link("/data"), "/etc": directory, "/home": link("/persist/home") });
  const maybe = (kept: readonly string[]) => mayBeInTheWay(["/etc", "/home", "/srv"], want, kept).map((m) => `${m.path}: ${m.kept}`);
  expect(maybe(["/srv/disk", "/etc/x", "/data"])).toEqual(["/srv: /srv/disk"]);
  expect(maybe(["/home"])).toEqual(["/home: /home"]);
});

test("mounts of a device", () => {
  const table = "rootfs / rootfs rw 0 0\nroot / overlay rw,lowerdir=/run/root-image 0 0\nproc /proc proc rw 0 0\n/dev/sda3 /persist ext4 ro 0 0\n/dev/sda4 /var/log ext4 rw 0 0\n/dev/sda5 /srv/my\\040data ext4 rw 0 0\ntmpfs /run/lock tmpfs rw 0 0\n";
  expect(mountsIn(table)).toEqual({ root: { type: "overlay", options: ["rw", "lowerdir=/run/root-image"] }, others: ["/persist", "/var/log", "/srv/my data"] });
});
