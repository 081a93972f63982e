// Just enough OpenPGP to sign a test archive: an Ed25519 key with one user id, and cleartext signatures. gpgv and sqv read both.
// Signing with gpg would need a home directory, an agent that outlives the test, and most of a second.
import { createHash, createPrivateKey, createPublicKey, sign, type KeyObject } from "node:crypto";

export interface SigningKey {
  /** The public key as a keyring: binary, as gpgv wants it. */
  readonly keyring: Buffer;
  /** The same in ASCII armour. */
  readonly armored: string;
  /** `text` with a signature around it, as in an InRelease. */
  clearsign(text: string): string;
}

/** The key that belongs to `name`: the same name gives the same key. */
export function signingKey(name: string): SigningKey {
  const secret = privateKey(createHash("sha256").update(name).digest());
  const body = keyBody(secret);
  const key: Key = { secret, body, fingerprint: createHash("sha1").update(hashedKey(body)).digest() };
  const user = Buffer.from(`${name} <${name}@mirror.example>`);
  const certified = Buffer.concat([hashedKey(body), Buffer.from([0xb4]), number(user.length, 4), user]);
  const mayCertifyAndSign = subpacket(27, Buffer.from([3]));
  const keyring = Buffer.concat([packet(6, body), packet(13, user), signature(key, { type: 0x13, data: certified, subpackets: [mayCertifyAndSign], time: created })]);
  return { keyring, armored: armor("PUBLIC KEY BLOCK", keyring), clearsign: (text) => clearsign(key, text) };
}

interface Key {
  readonly secret: KeyObject;
  readonly body: Buffer;
  readonly fingerprint: Buffer;
}

/** 2020-01-01: before anything that is signed. */
const created = 1_577_836_800;

function clearsign(key: Key, text: string): string {
  const lines = text.replace(/\n$/, "").split("\n").map((l) => l.trimEnd());
  const data = Buffer.from(lines.join("\r\n"));
  const shown = lines.map((l) => (l.startsWith("-") ? `- ${l}` : l)).join("\n");
  const made = signature(key, { type: 1, data, subpackets: [], time: created + 1 });
  return `-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n${shown}\n${armor("SIGNATURE", made)}`;
}

/** PKCS #8 around a bare Ed25519 seed. */
function privateKey(seed: Buffer): KeyObject {
  return createPrivateKey({ key: Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), seed]), format: "der", type: "pkcs8" });
}

function keyBody(secret: KeyObject): Buffer {
  const point = createPublicKey(secret).export({ format: "der", type: "spki" }).subarray(-32);
  const ed25519 = Buffer.from("2b06010401da470f01", "hex");
  return Buffer.concat([Buffer.from([4]), number(created, 4), Buffer.from([22, ed25519.length]), ed25519, integer(Buffer.concat([Buffer.from([0x40]), point]))]);
}

function hashedKey(body: Buffer): Buffer {
  return Buffer.concat([Buffer.from([0x99]), number(body.length, 2), body]);
}

function signature(key: Key, o: { type: number; data: Buffer; subpackets: Buffer[]; time: number }): Buffer {
  const issuer = subpacket(33, Buffer.concat([Buffer.from([4]), key.fingerprint]));
  const hashedSubpackets = Buffer.concat([subpacket(2, number(o.time, 4)), issuer, ...o.subpackets]);
  const head = Buffer.concat([Buffer.from([4, o.type, 22, 10]), number(hashedSubpackets.length, 2), hashedSubpackets]);
  const trailer = Buffer.concat([Buffer.from([4, 0xff]), number(head.length, 4)]);
  const digest = createHash("sha512").update(o.data).update(head).update(trailer).digest();
  const made = sign(null, digest, key.secret);
  const unhashed = subpacket(16, key.fingerprint.subarray(-8));
  return packet(2, Buffer.concat([
    head, number(unhashed.length, 2), unhashed, digest.subarray(0, 2), integer(made.subarray(0, 32)), integer(made.subarray(32)),
  ]));
}

function subpacket(type: number, body: Buffer): Buffer {
  return Buffer.concat([Buffer.from([body.length + 1, type]), body]);
}

function packet(tag: number, body: Buffer): Buffer {
  return Buffer.concat([Buffer.from([0xc0 | tag, 0xff]), number(body.length, 4), body]);
}

function number(n: number, bytes: 2 | 4): Buffer {
  const b = Buffer.alloc(bytes);
  b.writeUIntBE(n, 0, bytes);
  return b;
}

/** Length in bits, then the bytes without leading zeros. */
function integer(bytes: Buffer): Buffer {
  const first = bytes.findIndex((b) => b !== 0);
  const rest = first < 0 ? Buffer.alloc(0) : bytes.subarray(first);
  const bits = rest.length === 0 ? 0 : (rest.length - 1) * 8 + (32 - Math.clz32(rest[0]!));
  return Buffer.concat([number(bits, 2), rest]);
}

function armor(what: string, data: Buffer): string {
  const lines = data.toString("base64").replace(/(.{64})(?=.)/g, "$1\n");
  return `-----BEGIN PGP ${what}-----\n\n${lines}\n=${crc24(data).toString("base64")}\n-----END PGP ${what}-----\n`;
}

function crc24(data: Buffer): Buffer {
  let crc = 0xb704ce;
  for (const byte of data) {
    crc ^= byte << 16;
    for (let i = 0; i < 8; i++) crc = crc & 0x800000 ? ((crc << 1) ^ 0x1864cfb) & 0xffffff : crc << 1;
  }
  return Buffer.from([crc >> 16, (crc >> 8) & 0xff, crc & 0xff]);
}
