// A USB serial adapter (an FTDI, as QEMU has it) that is plugged into a running machine; its wire ends in a socket of this side.
import { createServer, type Socket } from "node:net";
import { rmSync } from "node:fs";
import { join } from "node:path";
import type { UsbSerial } from "../api.ts";
import type { Machine } from "./machine.ts";

let count = 0;

export async function plugSerial(m: Machine): Promise<UsbSerial> {
  const id = `serial${count++}`;
  const path = join(m.dir, `${id}.sock`);
  rmSync(path, { force: true });
  let received = "";
  let wire: Socket | undefined;
  const server = createServer((socket) => {
    wire = socket;
    socket.on("data", (piece: Buffer) => (received += piece.toString()));
    socket.on("error", () => {});
  });
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(path, resolve));
  await m.control.command("chardev-add", { id, backend: { type: "socket", data: { addr: { type: "unix", data: { path } }, server: false } } });
  await m.control.command("device_add", { driver: "usb-serial", id: `usb-${id}`, chardev: id, bus: "usb.0" });
  return {
    send: (text) => void wire?.write(text),
    received: () => received,
    unplug: async () => {
      await m.control.command("device_del", { id: `usb-${id}` }).catch(() => {});
      wire?.destroy();
      server.close();
    },
  };
}
