// Signatures of InRelease files, checked by gpgv or sqv, whichever the host has. Only what they gave out as verified is used.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { UserError } from "../errors.ts";
import { run } from "../run.ts";

export interface Verification {
  readonly text: string;
  /** Binary, or armoured as .asc. */
  readonly keyring: string;
  /** In errors: "the InRelease of `trixie`". */
  readonly what: string;
  /** The tool to use; for tests. */
  readonly tool?: "gpgv" | "sqv";
}

const signedMessage = "-----BEGIN PGP SIGNED MESSAGE-----";

/** The text under the signature, if a key of the keyring made it; else throws. */
export async function verifyCleartext(v: Verification): Promise<string> {
  if (!v.text.startsWith(`${signedMessage}\n`) || count(v.text, signedMessage) !== 1 || count(v.text, "-----BEGIN PGP SIGNATURE-----") !== 1) {
    throw new UserError("signature.absent", `${v.what} is not a signed text`, { details: v.text.slice(0, 200), hint: "a proxy or a login page may have answered in place of the mirror" });
  }
  if (!existsSync(v.keyring)) throw new UserError("signature.keyring", `the keyring \`${v.keyring}\` is not there`);
  const tool = v.tool ?? ["gpgv", "sqv"].find(onPath);
  if (tool === undefined) throw new UserError("signature.tool", `${v.what} cannot be verified: this machine has neither \`gpgv\` nor \`sqv\``, { hint: "apt-get install gpgv" });
  const dir = mkdtempSync(join(tmpdir(), "debcast-verify."));
  try {
    const keyring = join(dir, "keyring.gpg");
    writeFileSync(keyring, dearmor(readFileSync(v.keyring), v.keyring));
    const file = join(dir, "InRelease");
    writeFileSync(file, v.text);
    return tool === "gpgv" ? await gpgv(v, { dir, keyring, file }) : await sqv(v, { dir, keyring, file });
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

interface Files {
  readonly dir: string;
  readonly keyring: string;
  readonly file: string;
}

/**
 * gpgv fails when any of several signatures is by a key that the keyring lacks, which is usual while Debian changes keys. So its
 * status lines decide: one good signature by a strong hash, and no bad one.
 */
async function gpgv(v: Verification, f: Files): Promise<string> {
  const out = join(f.dir, "Release");
  const argv = ["gpgv", "--homedir", f.dir, "--keyring", f.keyring, "--status-fd", "1", "--output", out, f.file];
  const r = await run(argv, { env: { ...(process.env as Record<string, string>), LC_ALL: "C" }, ok: [0, 1, 2] });
  const status = r.stdout.split("\n").flatMap((line) => (line.startsWith("[GNUPG:] ") ? [line.split(" ").slice(1)] : []));
  const good = status.filter(([word]) => word === "GOODSIG").length;
  const strong = status.filter((s) => s[0] === "VALIDSIG" && strongHashes.has(s[8] ?? "")).length;
  const bad = status.some(([word]) => word === "BADSIG");
  if (good === 0 || strong === 0 || bad || !existsSync(out)) throw refused(v, bad, r.stderr);
  return readFileSync(out, "utf8");
}

/** SHA-256, -384, -512 and -224 in OpenPGP's numbers. */
const strongHashes = new Set(["8", "9", "10", "11"]);

/** sqv writes its output even for a bad signature, so that counts with status 0 only. */
async function sqv(v: Verification, f: Files): Promise<string> {
  const out = join(f.dir, "Release");
  const r = await run(["sqv", "--keyring", f.keyring, "--cleartext", "--output", out, f.file], { ok: [0, 1, 2] });
  if (r.code !== 0) throw refused(v, r.stderr.includes("manipulated"), r.stderr);
  return readFileSync(out, "utf8");
}

function refused(v: Verification, bad: boolean, said: string): UserError {
  const why = bad ? "has been changed after it was signed" : `is not signed by a key of \`${v.keyring}\``;
  return new UserError("signature.refused", `${v.what} ${why}`, {
    details: said.trim(),
    hint: bad ? "try another mirror with `--mirror`" : "newer keys come with the package debian-archive-keyring; or name a keyring in the conf: `keyring: \"keyrings/debian.gpg\",`",
  });
}

/** The bytes of a keyring: as they are, or those of every armoured block. gpgv reads no armour. */
export function dearmor(content: Buffer, file: string): Buffer {
  const text = content.subarray(0, 1 << 20).toString("latin1");
  if (!text.includes("-----BEGIN PGP")) return content;
  const blocks = [...text.matchAll(/-----BEGIN PGP PUBLIC KEY BLOCK-----\r?\n(?:[^\n]*:[^\n]*\n)*\s*?\n?([A-Za-z0-9+/=\s]+?)(?:\n=[A-Za-z0-9+/]{4})?\s*-----END PGP PUBLIC KEY BLOCK-----/g)];
  if (blocks.length === 0) throw new UserError("signature.keyring", `the keyring \`${file}\` is armoured, and holds no public key`);
  return Buffer.concat(blocks.map((b) => Buffer.from(b[1]!.replace(/\s/g, ""), "base64")));
}

function count(text: string, marker: string): number {
  return text.split("\n").filter((line) => line === marker).length;
}

function onPath(command: string): boolean {
  return (process.env.PATH ?? "").split(delimiter).some((dir) => dir !== "" && existsSync(join(dir, command)));
}
