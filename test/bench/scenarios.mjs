// What is measured on images. `prepare` brings the project and its caches into the state of the scenario and is not timed; then one
// `debcast image` is. `proves` looks into the tree for what the scenario changed: a build that did not do it has not been measured.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { installed } from "./closure.mjs";
import { replacedInLock } from "./edits.mjs";
import { smallPackages } from "./layout.mjs";
import { anotherVersion, libraryPackage, madeHere } from "./library.mjs";

/**
 * `bench`: { project, workspace, round (from 1), mark (a text that no earlier run had) }. What `prepare` returns is kept as a note.
 * `weigh`: memory and caches are looked at, in the first round.
 */
export const scenarios = [
  {
    name: "cold", image: "gateway", title: "cold: only the .deb cache",
    prepare: ({ project }) => without(project.forget()),
    weigh: true,
  },
  {
    name: "nothing", image: "gateway", title: "nothing changed",
    prepare: async ({ project }) => void (await project.build("gateway", "ready")),
  },
  {
    name: "line", image: "gateway", title: "one line of a run() changed",
    async prepare({ project, mark }) {
      const planned = project.planned("gateway");
      project.edits.changeLine(planned, `before ${mark}`);
      await project.ready("gateway");
      return `in ${project.edits.changeLine(planned, mark)}`;
    },
    proves: ({ tree, mark }) => readFileSync(join(tree, "etc/bench-line"), "utf8") === `${mark}\n` || "the new line is not in the image",
  },
  {
    name: "package", image: "gateway", title: "one package added",
    async prepare(bench) {
      const { project } = bench;
      project.edits.removePackage();
      await project.ready("gateway");
      project.edits.addPackage(smallPackage(bench));
      return smallPackage(bench);
    },
    proves: (bench) => has(bench.tree, smallPackage(bench)) || "the package is not in the image",
  },
  {
    name: "package-removed", image: "gateway", title: "that package removed",
    async prepare(bench) {
      const { project } = bench;
      project.edits.addPackage(smallPackage(bench));
      await project.ready("gateway");
      project.edits.removePackage();
      return smallPackage(bench);
    },
    proves: (bench) => !has(bench.tree, smallPackage(bench)) || "the package is in the image still",
  },
  {
    name: "library", image: "gateway", title: `another version of ${libraryPackage}`,
    async prepare({ project, workspace, mark }) {
      await project.ready("gateway");
      const original = project.closure("gateway").find((d) => d.name === libraryPackage);
      const replacement = anotherVersion(original, { from: project.deb(original), scratch: workspace.root, mark });
      project.lock.write("gateway", replacedInLock(project.lock.read("gateway"), original, replacement));
      return replacement.version;
    },
    proves: ({ tree, mark }) => installed(tree).some((l) => l.startsWith(`${libraryPackage} `) && l.includes(`${madeHere}${mark} `)) || "the image has the library's old version",
    after: ({ project }, before) => project.lock.write("gateway", before),
  },
  {
    name: "store", image: "gateway", title: "store warm, no layers",
    async prepare({ project }) {
      await project.ready("gateway");
      return without(project.forget(["layers"]));
    },
  },
  {
    name: "store-alone", image: "gateway", title: "store warm, no layers, no memory",
    async prepare({ project }) {
      await project.ready("gateway");
      return without(project.forget(["layers", "memo"]));
    },
  },
  {
    name: "minbase-cold", image: "minbase", title: "minbase, cold",
    prepare: ({ project }) => without(project.forget()),
    weigh: true,
  },
  {
    name: "minbase-store", image: "minbase", title: "minbase, store warm, no layers",
    async prepare({ project }) {
      await project.ready("minbase");
      return without(project.forget(["layers"]));
    },
  },
  {
    name: "minbase-nothing", image: "minbase", title: "minbase, nothing changed",
    prepare: async ({ project }) => void (await project.build("minbase", "ready")),
  },
];

function without(names) {
  return `without ${names.join(", ") || "anything to take away"}`;
}

function smallPackage({ round }) {
  return smallPackages[(round - 1) % smallPackages.length];
}

function has(tree, name) {
  return installed(tree).some((line) => line.startsWith(`${name} `));
}
