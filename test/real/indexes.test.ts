// Package lists in downloads/index/, which projects may share.
import { createHash } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { ensureIndexes, type IndexItem } from "../../lib/archive/indexes.ts";
import { openProject } from "../../lib/project.ts";
import { scratch } from "./fetching.ts";

test("a list that another process has unpacked, and whose compressed file it took away, is there", async () => {
  using space = scratch();
  const project = openProject(space.dir, { ...process.env, DEBCAST_DOWNLOADS: join(space.dir, "downloads") });
  const contents = new Map(["main", "contrib"].map((component) => [component, gzipSync(`Package: of-${component}\nVersion: 1\n`)]));
  // While the second one is asked for, the first is there, and not yet unpacked.
  const server = createServer((req, res) => {
    const component = req.url!.includes("contrib") ? "contrib" : "main";
    const other = component === "contrib" ? untilThere("main").then(() => ensureIndexes([item("main")], options)) : Promise.resolve();
    void other.then(() => res.end(contents.get(component)));
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const uri = `http://127.0.0.1:${(server.address() as AddressInfo).port}/debian`;
  const options = { project, emit: () => {} };
  const item = (component: string): IndexItem => {
    const content = contents.get(component)!;
    return {
      path: `${component}/binary-amd64/Packages.gz`, sha256: createHash("sha256").update(content).digest("hex"), size: content.length,
      suite: "trixie", archive: "test", bases: () => [uri], byHash: false, locked: false,
    };
  };
  const dir = join(space.dir, "downloads/index");
  const untilThere = async (component: string) => {
    while (!readdirSync(dir).includes(`${item(component).sha256}.gz`)) await new Promise((done) => setTimeout(done, 5));
  };
  try {
    const found = await ensureIndexes([item("main"), item("contrib")], options);
    expect([...found.values()].map((path) => readFileSync(path, "utf8").split("\n")[0])).toEqual(["Package: of-main", "Package: of-contrib"]);
    expect(readdirSync(dir).filter((name) => name.endsWith(".gz"))).toEqual([]);
  } finally {
    server.close();
    server.closeAllConnections();
  }
});
