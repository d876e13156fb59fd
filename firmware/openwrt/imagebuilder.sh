#!/bin/sh
# Makes an OpenWrt image with ebb inside, with an ImageBuilder that was unpacked before:
#
#	firmware/openwrt/imagebuilder.sh IMAGEBUILDER PROFILE [PACKAGE…]
#
# PROFILE is the device (`make info` there lists them); packages may be added or, as -name, left out. ebb's own packages
# are those of build/out/packages/openwrt: `make openwrt` first. A USB disk needs the drivers that are added here.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
[ $# -ge 2 ] || {
	sed -n 's/^# \{0,1\}//p' "$0" | head -n 6 >&2
	exit 2
}
builder=$1 profile=$2
shift 2
packages=${EBB_PACKAGES:-$here/../../build/out/packages/openwrt}

arch=$(sed -n 's/^CONFIG_TARGET_ARCH_PACKAGES="\(.*\)"$/\1/p' "$builder/.config")
[ -n "$arch" ] || {
	echo "$builder is not an ImageBuilder: its .config does not say what CPU it is for" >&2
	exit 1
}
[ -d "$packages/$arch" ] || {
	echo "there is no package of ebb for $arch in $packages; there are: $(ls "$packages")" >&2
	exit 1
}
kind=ipk
! grep -q '^CONFIG_USE_APK=y' "$builder/.config" || kind=apk
mkdir -p "$builder/packages"
rm -f "$builder"/packages/ebb[-_][0-9]* "$builder"/packages/luci-app-ebb[-_]*
cp "$packages/$arch"/ebb[-_]*".$kind" "$packages"/all/luci-app-ebb[-_]*".$kind" "$builder/packages/"
exec make -C "$builder" image PROFILE="$profile" \
	PACKAGES="ebb luci-app-ebb block-mount kmod-usb-storage kmod-usb-storage-uas kmod-fs-ext4 kmod-fs-exfat $*"
