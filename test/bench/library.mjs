// Another version of a library that nearly everything needs, as a security update would bring it: the same package with a higher
// version, and other bytes in the library itself, so that no cache can answer by content. A mirror offers one version only, so this one
// is made here. What is appended to the library lies behind all that the linker reads.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { appendFileSync, lstatSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** zlib: dpkg, apt, the kernel's tools and the initramfs hold it or are linked with it. */
export const libraryPackage = "zlib1g";

/** In the version of each that was made here, and in the lock of a run that was ended meanwhile. */
export const madeHere = "+bench";

/** Makes it out of the .deb `from`, into the directory of that. The fields of its paragraph in a lock. */
export function anotherVersion(deb, { from, scratch, mark }) {
  const tree = join(scratch, "library");
  rmSync(tree, { recursive: true, force: true });
  mkdirSync(scratch, { recursive: true });
  execFileSync("dpkg-deb", ["--raw-extract", from, tree]);
  const version = `${deb.version}${madeHere}${mark}`;
  const library = changeLibrary(tree, version);
  replaceIn(join(tree, "DEBIAN/md5sums"), new RegExp(`^[0-9a-f]{32}(?=  ${library.replace(/[.+]/g, "\\$&")}$)`, "m"), md5(join(tree, library)));
  replaceIn(join(tree, "DEBIAN/control"), /^Version: .*$/m, `Version: ${version}`);
  const filename = join(dirname(deb.filename), `${deb.name}_${version.replace(/^\d+:/, "")}_${deb.arch}.deb`);
  const to = join(dirname(from), filename.split("/").at(-1));
  execFileSync("dpkg-deb", ["--root-owner-group", "-Zxz", "--build", tree, to]);
  rmSync(tree, { recursive: true });
  return { ...deb, version, filename, size: statSync(to).size, sha256: createHash("sha256").update(readFileSync(to)).digest("hex") };
}

function changeLibrary(tree, text) {
  const path = readdirSync(tree, { recursive: true }).find((p) => /\.so\.[0-9.]+$/.test(p) && lstatSync(join(tree, p)).isFile());
  const { mtime } = statSync(join(tree, path));
  appendFileSync(join(tree, path), text);
  execFileSync("touch", ["-d", `@${Math.floor(mtime / 1000)}`, join(tree, path)]);
  return path;
}

function replaceIn(path, pattern, text) {
  writeFileSync(path, readFileSync(path, "utf8").replace(pattern, () => text));
}

function md5(path) {
  return createHash("md5").update(readFileSync(path)).digest("hex");
}
