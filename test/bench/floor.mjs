// What no program that writes this tree can be faster than, on this machine: decompressing its packages on all cores, copying it, and
// linking it. And packing it, or making a disk of it: `debcast tar` and `debcast disk` beside what one would type.
import { availableParallelism } from "node:os";
import { statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "./run.mjs";
import { calm } from "./workspace.mjs";

/** Seconds by name, of one round. The image of `conf` must be there. */
export async function floorRound({ project, workspace, conf }) {
  const tree = project.image(conf);
  const [copy, links] = ["copy", "links"].map((name) => join(workspace.rivals, `floor-${name}`));
  const timed = async (name, argv) => {
    calm(project.downloads, tree);
    return (await run(argv, { log: workspace.log(`floor-${name}`) })).seconds;
  };
  const seconds = {
    decompress: await timed("decompress", decompressAll(workspace, project.closure(conf).map(project.deb))),
    copy: await timed("copy", ["cp", "-a", tree, copy]),
    links: await timed("links", ["cp", "-al", tree, links]),
  };
  for (const path of [copy, links]) workspace.aside(path);
  await workspace.purge();
  return seconds;
}

export const floorTitles = {
  decompress: "every .deb decompressed to nowhere, all cores",
  copy: "cp -a of the tree",
  links: "cp -al of the tree",
};

/** The largest first, or one core would be left with the kernel alone in the end. */
function decompressAll(workspace, debs) {
  const list = join(workspace.logs, "floor-debs");
  const bySize = debs.map((path) => ({ path, size: statSync(path).size })).sort((a, b) => b.size - a.size);
  writeFileSync(list, bySize.map((d) => `${d.path}\0`).join(""));
  return ["xargs", "-0", "-a", list, "-n1", `-P${availableParallelism()}`, "sh", "-c", decompressor, "sh"];
}

/** A .deb is an ar archive; its last member is the one with the files. */
const decompressor = `set -e; member=$(ar t "$1" | grep ^data.tar); ar p "$1" "$member" | case $member in *.xz) xz -dc;; *.zst) zstd -qdc;; *.gz) gzip -dc;; *) cat;; esac >/dev/null`;

/** Both pack the same tree with the same flags, zstd on all cores. */
export async function tarRound({ project, workspace, conf }) {
  await project.ready(conf);
  const [ours, theirs] = [project.out(`${conf}.tar.zst`), join(workspace.rivals, "tar.tar.zst")];
  for (const path of [ours, theirs]) workspace.aside(path);
  const pipe = `set -o pipefail; tar --create --directory="$1" --format=posix --sort=name --numeric-owner --xattrs --xattrs-include='*' --acls . | zstd -q -T0 -o "$2"`;
  calm(project.downloads, project.image(conf));
  const own = await project.tar(conf, ours);
  calm(project.image(conf));
  const gnu = await run(["bash", "-c", pipe, "bash", project.image(conf), theirs], { log: workspace.log("gnu-tar") });
  const bytes = { debcast: statSync(ours).size, "tar | zstd": statSync(theirs).size };
  for (const path of [ours, theirs]) workspace.aside(path);
  await workspace.purge();
  return { scenario: "tar", seconds: { debcast: own.seconds, "tar | zstd": gnu.seconds }, bytes };
}

/** mke2fs makes one file system; debcast another one beside it, the table, and the block map with its checksums. */
export async function diskRound({ project, workspace, conf }) {
  await project.ready(conf);
  const [ours, theirs] = [project.out(`${conf}.img`), join(workspace.rivals, "mke2fs.img")];
  const made = [ours, `${ours}.bmap`, theirs];
  for (const path of made) workspace.aside(path);
  const mib = Math.ceil((project.sizes(conf).imageBytes * 1.25) / 2 ** 20) + 256;
  calm(project.downloads, project.image(conf));
  const own = await project.disk(conf, ours);
  calm(project.image(conf));
  const rival = await run(["/sbin/mke2fs", "-q", "-t", "ext4", "-d", project.image(conf), theirs, `${mib}M`], { log: workspace.log("mke2fs") });
  for (const path of made) workspace.aside(path);
  await workspace.purge();
  return { scenario: "disk", seconds: { debcast: own.seconds, "mke2fs -d": rival.seconds } };
}
