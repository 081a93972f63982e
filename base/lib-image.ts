// Picture formats.
import { installDeb, need } from "debcast";

need("lib-common");

installDeb("libjpeg62-turbo", "libgif7", "libopenjp2-7", "liblcms2-2");
installDeb("libtiff6", "libdeflate0", "libjbig0", "liblerc4");
installDeb("libwebp7", "libwebpdemux2", "libsharpyuv0");
installDeb("libjxl0.11", "libhwy1t64");
installDeb("libheif1", "libheif-plugin-dav1d", "libdav1d7", "libheif-plugin-libde265", "libde265-0");
