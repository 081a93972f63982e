// Processor errata, loaded before anything else. One image serves Intel and AMD.
import { conf, fail, installDeb, need, run } from "debcast";

if (conf.arch !== "amd64") fail("microcode is for PC processors only", 'take "microcode" out of the scriptlets');

need("initramfs");

installDeb("intel-microcode", "iucode-tool", "amd64-microcode"); // in non-free-firmware

run(({ edit }) => {
  // Its default is to look at the processor of the machine that builds the initramfs: the image would depend on the builder.
  edit("/etc/default/amd64-microcode", /^#?\s*AMD64UCODE_INITRAMFS=.*$/m, "AMD64UCODE_INITRAMFS=early");
});
