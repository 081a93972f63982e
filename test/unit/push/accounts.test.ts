import { expect, test } from "vitest";
import { clashes, mergeAccounts } from "../../../lib/push/accounts.ts";
import { readAccounts } from "../../../lib/push/accountsline.ts";
import type { Remote } from "../../../lib/push/remote.ts";

const merge = (file: string, was: string | undefined, image: string, device: string) => mergeAccounts(`/etc/${file}`, { was: was === undefined ? [] : was.split("|").map((w) => w.replaceAll(" ", "\n")), image: image.replaceAll(" ", "\n"), device: device.replaceAll(" ", "\n") }).trimEnd().split("\n");

test("a device that nobody changed gets what the image has", () => {
  expect(merge("passwd", "a:1 b:2", "a:1 c:3", "a:1 b:2")).toEqual(["a:1", "c:3"]);
});

test("accounts that somebody made on the device stay, and lines that somebody changed, unless the image did so, too", () => {
  expect(merge("passwd", "a:1:sh b:2:sh c:3:sh", "a:1:sh b:2:sh c:3:zsh", "a:1:bash b:2:sh c:3:fish mine:1001:sh")).toEqual(["a:1:bash", "b:2:sh", "c:3:zsh", "mine:1001:sh"]);
});

test("what the image drops goes, unless it is another one by now", () => {
  expect(merge("passwd", "a:1 b:2 c:3", "a:1", "a:1 b:2 c:33")).toEqual(["a:1", "c:33"]);
});

test("what a push brought that was cut short is none of somebody's own", () => {
  expect(merge("passwd", "a:1:sh|a:1:zsh b:2", "a:1:sh", "a:1:zsh b:2 mine:3")).toEqual(["a:1:sh", "mine:3"]);
});

test("members of a group: those of the image and those that joined on the device", () => {
  expect(merge("group", "g:x:1:a,b", "g:x:1:a,c", "g:x:1:a,b,d")).toEqual(["g:x:1:a,c,d"]);
});

test("without knowing what the image had: the image's lines, others stay, a password that was set stays", () => {
  expect(merge("shadow", undefined, "me:!:20000: root:*:20000: two:$y$new:1:", "me:$y$mine:20100: root:*:20000: two:! other:$y$o:1:")).toEqual(["me:$y$mine:20100:", "root:*:20000:", "two:$y$new:1:", "other:$y$o:1:"]);
});

test("a password that the image changes wins over one that was set on the device", () => {
  expect(merge("shadow", "me:!:1:", "me:$y$image:1:", "me:$y$mine:2:")).toEqual(["me:$y$image:1:"]);
  expect(merge("shadow", "me:!:1:99", "me:!:1:77", "me:$y$mine:2:99")).toEqual(["me:$y$mine:2:77"]);
});

test("an id that the device gave to somebody else is told", () => {
  const image = "root:x:0:0\nme:x:1000:1000\n";
  const merged = mergeAccounts("/etc/passwd", { was: ["root:x:0:0\n"], image, device: "root:x:0:0\nmine:x:1000:1000\nother:x:1001:1001\n" });
  expect(clashes(merged, image)).toEqual([["mine", "me", "1000"]]);
});

test("files of accounts that cannot be read, or merged, say whose they are and where to look", async () => {
  const ended = (status: number, ...lines: string[]) => readAccounts({ ask: async () => ({ status, lines }) } as unknown as Remote, { device: "gw1", image: {}, was: [] });
  const read = (...lines: string[]) => ended(0, ...lines);
  await expect(read("/etc/passwd:root:x:0:0", "/etc/shadow:j\ufffdrg:!:1:")).rejects.toMatchObject({
    message: "the line of `j\ufffdrg` in /etc/shadow of `gw1` is not UTF-8, and cannot be merged with the image's", hint: "correct it on the device: debcast ssh gw1",
  });
  await expect(read("/etc/group:root:x:0:")).rejects.toMatchObject({ message: "/etc/passwd of `gw1` could not be read, or has no root in it", hint: "debcast ssh gw1 -- cat /etc/passwd" });
  await expect(ended(137, "/etc/passwd:root:x:0:0")).rejects.toMatchObject({ message: "the files of accounts of `gw1` could not be read: grep ended there with 137" });
  expect(await ended(2, "/etc/passwd:root:x:0:0")).toEqual([]);
});
