// Software of our own, as a package: a program, the unit that runs it for one device, and the rule that starts the unit for each
// serial adapter that is plugged in.
import { bootTest, buildDeb, installDeb, need } from "debcast";

need("udev");

installDeb(buildDeb("package", { name: "serial-monitor", version: "0.1", depends: ["udev"] }));

bootTest("runs for a USB serial device, and reads what it sends", async ({ inVm, expect, until, usbSerial }) => {
  expect(await inVm`systemctl list-units --no-legend --plain 'serial-monitor@*'`).toBe("");

  const adapter = await usbSerial();
  await until(async () => expect(await inVm`systemctl is-active serial-monitor@ttyUSB0.service || true`).toBe("active"), 60);

  // The line is opened a moment after the unit has started; what is sent before that is nobody's.
  await until(async () => {
    adapter.send("temperature 21.5\n");
    expect(await inVm`cat /run/serial-monitor/ttyUSB0 2>/dev/null || true`).toContain("temperature 21.5");
  }, 60);
  await until(() => expect(adapter.received()).toContain("ok temperature 21.5"), 60);

  await adapter.unplug();
  await until(async () => expect(await inVm`systemctl is-active serial-monitor@ttyUSB0.service || true`).toBe("inactive"), 60);
});
