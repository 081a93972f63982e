// What lies on a device and is not in the image, where it is not known which image the device is of.
import { isBelow } from "../rootfs/paths.ts";
import { readable } from "./inventory.ts";
import type { Remote } from "./remote.ts";

/**
 * Those paths that no image of ours would have left there. In /etc and /var people and programs keep what is their own: there only what a
 * package of the device has brought is taken away, as dpkg on it says.
 */
export async function deletable(remote: Remote, extra: readonly string[]): Promise<string[]> {
  const isOwn = (path: string) => (isBelow(path, "/etc") || isBelow(path, "/var")) && !isBelow(path, "/var/lib/dpkg");
  if (!extra.some(isOwn)) return [...extra];
  const { lines } = await remote.ask("cat /var/lib/dpkg/info/*.list | grep -E '^/(etc|var)/' || true");
  const shipped = new Set(lines);
  return extra.filter((path) => !isOwn(path) || shipped.has(readable(path)));
}
