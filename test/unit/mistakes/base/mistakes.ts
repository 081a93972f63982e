// Mistakes that must not compile: the line after each `@ts-expect-error` is one.
import { conf, defineImage, defineOptions, installDeb, lines, need, oneOf, run, runLast, secret, text } from "debcast";
// @ts-expect-error unknown scriptlet
need("bluze");
// @ts-expect-error unknown among several
need("user", "bluze");
// @ts-expect-error export that site does not have
need("site").ttty;
// @ts-expect-error number is no package
installDeb(3);
// @ts-expect-error no package at all
installDeb();
// @ts-expect-error unknown conf value
conf.hostnam;
// @ts-expect-error conf is read-only
conf.hostname = "x";
const s = secret("wifi");
run(async (c) => {
  // @ts-expect-error misspelt
  c.copi("a", "/b");
  // @ts-expect-error relative path in the image
  c.copy("a", "etc/b");
  // @ts-expect-error unit without suffix
  c.enable("ssh");
  // @ts-expect-error misspelt option
  c.write("/a", "b", { mod: 0o600 });
  // @ts-expect-error secret inside plain shell words
  await c.inImage`echo ${s}`;
  c.write("/a", lines`x=${s}`);
  c.write("/a", s);
  // @ts-expect-error module-level only
  c.installDeb("x");
  // @ts-expect-error unknown scriptlet
  c.planned("nope");
  // @ts-expect-error output wants await
  c.inImage`id -u`.stdout;
});
const o = defineOptions({ url: text(), rotate: oneOf(0, 90), port: 22 });
const n: number = o.port; const u: string = o.url; const r: 0 | 90 = o.rotate;
// @ts-expect-error option that was not declared
o.prot;
const base = { suite: "trixie", arch: "amd64", hostname: "x", scriptlets: ["ssh"] } as const;
// @ts-expect-error misspelt key
defineImage({ ...base, scriplets: ["ssh"] });
// @ts-expect-error unknown scriptlet
defineImage({ ...base, scriptlets: ["ssh", "sshd"] });
// @ts-expect-error wrong option name
defineImage({ ...base, options: { kiosk: { url: "x", rotate: 0, rotat: 90 } } });
// @ts-expect-error missing required option
defineImage({ ...base, options: { kiosk: { rotate: 0 } } });
// @ts-expect-error wrong value
defineImage({ ...base, options: { kiosk: { url: "x", rotate: 45 } } });
// @ts-expect-error scriptlet without options
defineImage({ ...base, options: { podman: {} } });
// @ts-expect-error wrong size
defineImage({ ...base, disk: { root: { size: "20 GB" } } });
// @ts-expect-error misspelt customer
defineImage({ ...base, options: { site: { customer: "acmee", device: "cm4" } } });
// @ts-expect-error node is not there
process.env.X;
// @ts-expect-error nor is a console
console.log("x");
defineImage({ ...base, options: { ssh: { allow: [] }, site: { customer: "acme", device: "cm4" } } });
export { n, u, r, runLast };
