// OpenGL, by the graphics card or, slowly, by LLVM on the processor.
import { installDeb, need } from "debcast";

need("lib-core", "lib-common", "lib-xml", "lib-x11");

installDeb("libgl1-mesa-dri", "mesa-libgallium", "libllvm19", "libz3-4");
installDeb("libgl1", "libglvnd0", "libglx0", "libglx-mesa0", "libegl1", "libegl-mesa0", "libepoxy0", "libgbm1", "libvulkan1");
installDeb("libdrm2", "libdrm-common", "libdrm-amdgpu1", "libdrm-intel1", "libpciaccess0");
installDeb("libwayland-client0", "libwayland-server0");
installDeb("libsensors5", "libsensors-config"); // temperatures, for the overlay that developers switch on
