// Errors that the kernel really gives, as a user reads them.
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { digestsOf } from "../../lib/disk/digests.ts";
import { UserError } from "../../lib/errors.ts";
import { hostError } from "../../lib/hosterrors.ts";
import { renderErrors } from "../../lib/report.ts";

const dir = mkdtempSync(join(tmpdir(), "host-"));
afterAll(() => rmSync(dir, { recursive: true }));

function thrownBy(act: () => unknown): unknown {
  try {
    act();
  } catch (e) {
    return e;
  }
  throw new Error("nothing was thrown");
}

const said = (e: unknown, o?: Parameters<typeof hostError>[1]) => renderErrors(hostError(e, o)).replaceAll(dir, "DIR");

test("a full disk, with and without the name of the file", () => {
  const full = thrownBy(() => {
    const fd = openSync("/dev/full", "w");
    try {
      writeSync(fd, "x");
    } finally {
      closeSync(fd);
    }
  });
  expect([said(full), said(full, { path: join(dir, "a b/c") })].join("\n\n")).toMatchInlineSnapshot(`
    "error: a file of this host cannot be written: no space is left there

    hint: df -h   # how full it is
          debcast gc   # removes what no image needs any more

    error: \`DIR/a b/c\` cannot be written: no space is left there

    hint: df -h DIR   # how full it is
          debcast gc   # removes what no image needs any more"
  `);
});

test("a directory in the place of a file, and a file in that of a directory", () => {
  writeFileSync(join(dir, "file"), "");
  mkdirSync(join(dir, "directory"));
  expect([said(thrownBy(() => writeFileSync(join(dir, "directory"), ""))), said(thrownBy(() => mkdirSync(join(dir, "file/below"))))].join("\n\n")).toMatchInlineSnapshot(`
    "error: \`DIR/directory\` cannot be opened: it is a directory

    hint: ls -ld DIR/directory   # move it away if it does not belong there

    error: \`DIR/file/below\` cannot be made: a part of its path is no directory

    hint: ls -ld DIR/file   # move it away if it does not belong there"
  `);
});

test("a file that may not be written", () => {
  mkdirSync(join(dir, "theirs"));
  const denied = Object.assign(new Error("EACCES: permission denied"), { code: "EACCES", syscall: "open", path: join(dir, "theirs/new") });
  expect(said(denied)).toMatchInlineSnapshot(`
    "error: \`DIR/theirs/new\` cannot be opened: permission is denied

    hint: chmod u+rwX DIR/theirs   # it is yours"
  `);
  const removed = Object.assign(new Error("EACCES: permission denied"), { code: "EACCES", syscall: "unlink", path: join(dir, "theirs") });
  expect(said(removed).split("\n").at(-1)).toBe("hint: chmod u+rwX DIR   # it is yours");
  const copied = Object.assign(new Error("EACCES: permission denied"), { code: "EACCES", syscall: "copyfile", path: join(dir, "none"), dest: join(dir, "theirs/new") });
  expect(said(copied).split("\n")[0]).toBe("error: `DIR/none` cannot be read: permission is denied");
});

test("a thread names the file that it reads", async () => {
  mkdirSync(join(dir, "image"));
  const e = await digestsOf(join(dir, "image"), [{ start: 0, end: 1 }]).catch((thrown: unknown) => thrown);
  expect(renderErrors(e).split("\n")[0]!.replace(dir, "DIR")).toMatchInlineSnapshot(`"error: \`DIR/image\` cannot be read: it is a directory"`);
});

test("all else stays as it is", () => {
  const others = [thrownBy(() => readFileSync(join(dir, "none"))), thrownBy(() => readFileSync(dir)), new TypeError("x"), new UserError("a", "b"), "text", Object.assign(new Error("connect EACCES"), { code: "EACCES", syscall: "connect" })];
  for (const e of others) expect(hostError(e)).toBe(e);
});
