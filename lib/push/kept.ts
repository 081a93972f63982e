// downloads/push/ID.json.gz: the inventories of images that were pushed lately, so that what a device has is known by the id that it
// says. One counts if it is whole: it is renamed into place. Hashes of passwords are in it, so nobody else may read it.
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { fromRow, toRows, type Inventory } from "./inventory.ts";

/** An inventory with the versions of its packages by name. */
export interface Kept extends Inventory {
  readonly packages: Readonly<Record<string, string>>;
}

const format = 1;

/** How many are kept; a hundred devices may run as many images. */
const most = 40;

export function keep(downloads: string, inventory: Kept): void {
  const dir = dirOf(downloads);
  const file = join(dir, `${inventory.id}.json.gz`);
  if (touched(file)) return;
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const { id, items, accounts, packages } = inventory;
  writeFileSync(`${file}.${process.pid}`, gzipSync(JSON.stringify({ format, id, rows: toRows(items), accounts, packages }), { level: 1 }), { mode: 0o600 });
  renameSync(`${file}.${process.pid}`, file);
  const all = readdirSync(dir).map((name) => ({ name, used: statSync(join(dir, name)).mtimeMs })).sort((a, b) => b.used - a.used);
  for (const { name } of all.slice(most)) rmSync(join(dir, name), { force: true });
}

/** The inventory of an image that was pushed or put on a disk from here. */
export function kept(downloads: string, id: string): Kept | undefined {
  if (!/^[0-9a-f]{64}$/.test(id)) return undefined;
  const file = join(dirOf(downloads), `${id}.json.gz`);
  if (!touched(file)) return undefined;
  try {
    const read = JSON.parse(gunzipSync(readFileSync(file)).toString()) as { format: number; rows: Parameters<typeof fromRow>[0][]; accounts: Record<string, string>; packages: Record<string, string> };
    if (read.format !== format) return undefined;
    return { id, items: new Map(read.rows.map((r) => [r[0], fromRow(r)])), accounts: read.accounts, packages: read.packages };
  } catch {
    return undefined;
  }
}

/** Notes that it was of use; false when it is not there. */
function touched(file: string): boolean {
  if (!existsSync(file)) return false;
  utimesSync(file, new Date(), new Date());
  return true;
}

function dirOf(downloads: string): string {
  return join(downloads, "push");
}
