// A real Debian archive of tiny .debs for tests: signed, with components, suites and by-hash indexes, served over HTTP from the
// loopback by a server that can be told to go wrong (server.ts).
//
//   await using archive = await startArchive({ packages: [{ name: "hello", files: { "/usr/bin/hello": "#!/bin/sh\n" } }] });
//   archive.uri                          the mirror: dists/ and pool/ are below it
//   archive.keyring                      what signed it, as a file; archive.strangeKeyring did not
//   archive.fault("hello_1.0_all.deb", { status: 503 }, 2)
//   archive.deb("hello")                 { filename, size, sha256, content }
//   archive.requests                     what was asked for, with ranges and statuses
//
// More suites: `suites: [{ suite: "trixie", packages }, { suite: "trixie-security", packages }]`; those whose name ends in
// -security are at archive.securityUri, all others at archive.uri. `archive.publish(suites)` puts a new state beside the old
// one, as a mirror does (pool files and by-hash indexes stay); `archive.forget(/…/)` removes what matches.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { compress, controlText, debFileName, makeDeb, sha256, type TestDeb } from "./deb.ts";
import { signingKey } from "./openpgp.ts";
import { startServer, type TestServer } from "./server.ts";

export { change, type Fault, type Request } from "./server.ts";
export type { TestDeb } from "./deb.ts";

export interface TestSuite {
  /** What stands in sources and in the path; default `trixie`. */
  readonly suite?: string;
  readonly packages: readonly TestDeb[];
  /** Fields of Release; default: `stable` with the suffix, and the suite. `Suite` in a third-party archive is what you like. */
  readonly release?: Readonly<Record<string, string>>;
  readonly arch?: string;
  /** Default: those of the packages, and `main`. */
  readonly components?: readonly string[];
  /** Default: an hour ago. */
  readonly date?: Date;
  /** Default: none, as in a stable release; the updates and security suites have one in a week. */
  readonly validUntil?: Date;
  /** Who signs; default `archive`, whose key `keyring` holds. */
  readonly signer?: string;
}

export interface PublishedDeb {
  /** Pool path below the mirror. */
  readonly filename: string;
  readonly size: number;
  readonly sha256: string;
  readonly content: Buffer;
  readonly deb: TestDeb;
}

export interface TestArchive extends Omit<TestServer, "stop" | "files"> {
  readonly uri: string;
  readonly securityUri: string;
  readonly keyring: string;
  /** The same in ASCII armour. */
  readonly armoredKeyring: string;
  readonly strangeKeyring: string;
  /** What is served, by path from the root of the server. */
  readonly served: Map<string, Buffer>;
  /** The newest published .deb of a name, or of a name and version. */
  deb(name: string, version?: string): PublishedDeb;
  publish(suites: readonly TestSuite[]): Promise<void>;
  forget(paths: RegExp): void;
  stop(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export async function startArchive(o: TestSuite | { suites: readonly TestSuite[] }): Promise<TestArchive> {
  const server = await startServer();
  const dir = await mkdtemp(join(tmpdir(), "debcast-archive-"));
  const keyring = join(dir, "archive.gpg");
  const armoredKeyring = join(dir, "archive.asc");
  const strangeKeyring = join(dir, "strange.gpg");
  await writeFile(keyring, signingKey("archive").keyring);
  await writeFile(armoredKeyring, signingKey("archive").armored);
  await writeFile(strangeKeyring, signingKey("stranger").keyring);
  const debs: PublishedDeb[] = [];
  const { files, stop: stopServer, ...rest } = server;
  const stop = async () => {
    await stopServer();
    await rm(dir, { recursive: true, force: true });
  };
  const publish = async (suites: readonly TestSuite[]) => {
    for (const s of suites) debs.push(...(await publishSuite(files, s)));
  };
  await publish("suites" in o ? o.suites : [o]);
  return {
    ...rest,
    uri: `${server.origin}/debian`,
    securityUri: `${server.origin}/debian-security`,
    keyring,
    armoredKeyring,
    strangeKeyring,
    served: files,
    deb: (name, version) => {
      const found = debs.findLast((d) => d.deb.name === name && (version === undefined || d.deb.version === version));
      if (!found) throw new Error(`the test archive has no ${name} ${version ?? ""}`);
      return found;
    },
    publish,
    forget: (paths) => {
      for (const path of files.keys()) if (paths.test(path)) files.delete(path);
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

async function publishSuite(files: Map<string, Buffer>, s: TestSuite): Promise<PublishedDeb[]> {
  const suite = s.suite ?? "trixie";
  const root = suite.endsWith("-security") ? "/debian-security" : "/debian";
  const debs = await Promise.all(s.packages.map(publishedDeb));
  for (const d of debs) files.set(`${root}/${d.filename}`, d.content);
  const components = s.components ?? [...new Set(["main", ...s.packages.map((p) => p.component ?? "main")])];
  const arch = s.arch ?? "amd64";
  const indexes = components.flatMap((c) => indexFiles(debs.filter((d) => (d.deb.component ?? "main") === c), `${c}/binary-${arch}`));
  for (const { path, content } of indexes) {
    // As on a mirror, the plain index is listed in the Release and not there.
    if (!path.endsWith("/Packages")) files.set(`${root}/dists/${suite}/${path}`, content);
    files.set(`${root}/dists/${suite}/${path.replace(/[^/]*$/, "")}by-hash/SHA256/${sha256(content)}`, content);
  }
  const release = releaseText({ ...s, suite, arch, components }, indexes);
  files.set(`${root}/dists/${suite}/Release`, Buffer.from(release));
  files.set(`${root}/dists/${suite}/InRelease`, Buffer.from(signingKey(s.signer ?? "archive").clearsign(release)));
  return debs;
}

async function publishedDeb(deb: TestDeb): Promise<PublishedDeb> {
  const content = await makeDeb(deb);
  const filename = `pool/${deb.component ?? "main"}/${deb.name[0]}/${deb.name}/${debFileName(deb)}`;
  return { filename, size: content.length, sha256: sha256(content), content, deb };
}

function indexFiles(debs: readonly PublishedDeb[], dir: string): { path: string; content: Buffer }[] {
  const sorted = [...debs].sort((a, b) => (a.deb.name < b.deb.name ? -1 : 1));
  const text = sorted.map((d) => `${controlText(d.deb)}Filename: ${d.filename}\nSize: ${d.size}\nSHA256: ${d.sha256}\n\n`).join("");
  const plain = Buffer.from(text);
  return [
    { path: `${dir}/Packages`, content: plain },
    { path: `${dir}/Packages.gz`, content: gzipSync(plain) },
    { path: `${dir}/Packages.xz`, content: compress(plain, "xz") },
  ];
}

function releaseText(s: TestSuite & { suite: string; arch: string; components: readonly string[] }, indexes: readonly { path: string; content: Buffer }[]): string {
  const suffix = /-(updates|security)$/.exec(s.suite)?.[0] ?? "";
  const date = s.date ?? new Date(Date.now() - 3_600_000);
  const validUntil = s.validUntil ?? (suffix === "" ? undefined : new Date(date.getTime() + 7 * 86_400_000));
  const fields: Record<string, string> = {
    Origin: "Debian",
    Label: suffix === "-security" ? "Debian-Security" : "Debian",
    Suite: `stable${suffix}`,
    Codename: s.suite,
    Date: rfc822(date),
    ...(validUntil && { "Valid-Until": rfc822(validUntil) }),
    "Acquire-By-Hash": "yes",
    "No-Support-for-Architecture-all": "Packages",
    Architectures: `all ${s.arch}`,
    Components: s.components.join(" "),
    ...s.release,
  };
  const head = Object.entries(fields).map(([k, v]) => `${k}: ${v}\n`).join("");
  return `${head}SHA256:\n${indexes.map((i) => ` ${sha256(i.content)} ${String(i.content.length).padStart(8)} ${i.path}\n`).join("")}`;
}

function rfc822(d: Date): string {
  return d.toUTCString().replace("GMT", "UTC");
}
