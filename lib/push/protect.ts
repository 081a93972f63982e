// What on a device is the device's own, and a push leaves alone.
import { isBelow } from "../rootfs/paths.ts";
import { asBytes } from "./inventory.ts";

/**
 * `image`: a push makes it what it is in the image. `device`: it is never looked at. `seed`: it is made where it is missing, and then is
 * the device's. `account`: merged by name. `setting`: the device's as soon as it differs from what the image had there.
 */
export type Whose = "image" | "device" | "seed" | "account" | "setting";

/** Where every Linux has mounts of its own. */
const ofLinux = ["/proc", "/sys", "/dev", "/run", "/tmp", "/var/tmp"];

const own = ["/etc/machine-id", "/persist", "/var/lib/debcast"];

/** Paths with all that is below them. */
const ofDevice = [...ofLinux, ...own, "/lost+found"];

const seeds = ["/home", "/root", "/var/log"];

/** What a device keeps at or below directories of the image, which therefore have to stay directories. */
export const keptByDevices: readonly string[] = [...seeds, ...own, "/etc/ssh/ssh_host_ed25519_key"];

const accounts: ReadonlySet<string> = new Set(["/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow", "/etc/subuid", "/etc/subgid"]);

/** What `disk --set` gives to each device (lib/disk/devices.ts). */
const settings: ReadonlySet<string> = new Set(["/etc/hostname", "/etc/hosts", "/etc/serial-number", "/etc/systemd/network/05-device.network", "/etc/NetworkManager/system-connections/device.nmconnection"]);

/** Old copies that tools leave beside the files of accounts are of this device. */
const hostKey = /^\/etc\/ssh\/ssh_host_|^\/etc\/(passwd|group|shadow|gshadow|subuid|subgid)-$/;

/** `added`: paths that a device adds, and its mounts. Paths are bytes, as in an inventory. */
export function guard(added: readonly string[]): (path: string) => Whose {
  const kept = [...ofDevice, ...added.map(asBytes)].map((p) => p.replace(/\/+$/, "")).filter((p) => p !== "");
  return (path) => {
    if (hostKey.test(path) || kept.some((p) => isBelow(path, p))) return "device";
    if (accounts.has(path)) return "account";
    if (settings.has(path)) return "setting";
    // The directories themselves are the image's.
    return seeds.some((p) => path !== p && isBelow(path, p)) ? "seed" : "image";
  };
}

/** Mounts of a device, from its /proc/mounts: what is mounted on / is what a push is about. */
export function mountsIn(table: string): { readonly root: { readonly type: string; readonly options: readonly string[] }; readonly others: readonly string[] } {
  const rows = table.split("\n").filter((l) => l !== "").map((l) => l.split(" "));
  const where = (row: readonly string[]) => asBytes(row[1]!.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8))));
  const root = rows.findLast((r) => r[1] === "/");
  return {
    root: { type: root?.[2] ?? "", options: (root?.[3] ?? "").split(",") },
    others: [...new Set(rows.map(where))].filter((w) => w !== "/" && !ofLinux.some((p) => isBelow(w, p))),
  };
}
