#!/usr/bin/env bash
# Alpine's package. Debian has no apk: the program that APK names is used (apk-tools 3 takes packages of both formats), and
# without one only what is in the package is looked at.
. "$(dirname "$0")/lib.sh"
this=$(package "ebb_*_x86_64.apk")
root=$WORK/alpine
box "$root"
for file in "$PACKAGES"/ebb_*.apk; do
	tar -xzOf "$file" --warning=no-unknown-keyword .PKGINFO 2>/dev/null | grep -v '^#' | grep -vq ' = ' && fail "$file: a line of .PKGINFO has no value"
done
if [ -z "${APK:-}" ]; then
	echo 'alpine: APK names no apk-tools: the package is unpacked, not installed'
	tar -xzf "$this" -C "$root" --warning=no-unknown-keyword
	chroot "$root" /bin/sh /.post-install
	agent "$root" settle "$root"
	exit 0
fi
later linux
tool() { "$APK" --root "$root" --allow-untrusted --no-network --repositories-file /dev/null "$@" </dev/null; }
# What it depends on is Alpine's; here a package that says so stands in for it.
"$APK" mkpkg --info name:ca-certificates --info version:1 --info arch:x86_64 --output "$WORK/ca.apk"
"$APK" mkpkg --info name:openrc --info version:1 --info arch:x86_64 --output "$WORK/openrc.apk"
tool --arch x86_64 --initdb add "$WORK/ca.apk" "$this"
documents "$root"
agent "$root" settle "$root"
tool add "$(find "$WORK/later" -name 'ebb_99*_x86_64.apk')"
settled "$root"
agent "$root" settled "$root"
tool del ebb
gone "$root/usr/bin/ebb"
downloaded "$root"
for file in "$PACKAGES"/ebb_*.apk; do
	version=$(tar -xzOf "$file" --warning=no-unknown-keyword .PKGINFO 2>/dev/null | sed -n 's/^pkgver = //p')
	"$APK" version --check "$version" || fail "$version is no version to apk"
done
sh -n "$top/firmware/linux/ebb.openrc"
