// Invariant 3 on the large image: root here, a normal user elsewhere with caches of its own, and a build from nothing. (`make test` has
// the small one, test/real/disk.test.ts.)
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, linkSync, mkdirSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { engineRoot } from "../../lib/engine.ts";
import { debcastOk, normalUser, owned, project, sharedDownloads, shippedConf } from "../real/debcast.ts";

const parent = join(engineRoot, "out/users-long");
beforeAll(() => mkdirSync(parent, { recursive: true }));
afterAll(() => rmSync(parent, { recursive: true, force: true }));

const sha256 = (file: string) => execFileSync("sha256sum", [file]).toString().slice(0, 64);

const user = normalUser();
if ("skip" in user) process.stderr.write(`skipped: the build as a normal user: ${user.skip}\n`);

test.skipIf("skip" in user)("gateway: root here, a normal user elsewhere, and --no-cache give one tarball", async () => {
  const name = (user as { name: string }).name;
  await debcastOk(["image", "-c", "gateway"]);
  await debcastOk(["tar", "-c", "gateway"]);
  const root = sha256(join(engineRoot, "out/gateway.tar.zst"));
  const place = join(parent, "user");
  const downloads = join(place, "downloads");
  mkdirSync(downloads, { recursive: true });
  shareDebs(downloads);
  owned(place, name);
  execFileSync("chown", [`${name}:`, downloads, join(downloads, "deb.trixie.amd64")]);
  using p = project(shippedFiles("gateway"), { owner: name, parent: place });
  const as = { user: name, cwd: p.dir, downloads };
  await debcastOk(["image", "-c", "gateway", "--locked"], as);
  await debcastOk(["tar", "-c", "gateway"], as);
  const normal = sha256(join(p.dir, "out/gateway.tar.zst"));
  await debcastOk(["clean"], as);
  expect(existsSync(join(p.dir, "image"))).toBe(false);
  await debcastOk(["image", "-c", "gateway", "--no-cache"]);
  await debcastOk(["tar", "-c", "gateway"]);
  const noCache = sha256(join(engineRoot, "out/gateway.tar.zst"));
  expect({ normal, noCache }).toEqual({ normal: root, noCache: root });
});

/** Hard links: nothing that debcast does writes into a .deb. */
function shareDebs(downloads: string): void {
  const [from, to] = [join(sharedDownloads, "deb.trixie.amd64"), join(downloads, "deb.trixie.amd64")];
  mkdirSync(to, { recursive: true });
  for (const f of readdirSync(from)) {
    if (!f.endsWith(".deb")) continue;
    try {
      linkSync(join(from, f), join(to, f));
    } catch {
      cpSync(join(from, f), join(to, f));
    }
  }
}

function shippedFiles(name: string): Record<string, string> {
  const keys = Object.fromEntries(readdirSync(join(engineRoot, "conf/keys")).map((f) => [`conf/keys/${f}`, readFileSync(join(engineRoot, "conf/keys", f), "utf8")]));
  return { ...shippedConf(name), ...shippedConf("base"), ...keys };
}
