#!/usr/bin/env bash
# The rpm package, by rpm. Its database and its scripts are those of a clean root; nothing there depends on rpm's own.
. "$(dirname "$0")/lib.sh"
this=$(package "ebb-*.$(uname -m).rpm")
later linux
next=$(find "$WORK/later" -name "ebb-99*.$(uname -m).rpm")
root=$WORK/rpm
debian "$root"
tool() { rpm --root "$root" --nodeps --nosignature "$@" </dev/null; }

for architecture in x86_64 aarch64 armv7hl armv5tel riscv64; do
	file=$(package "ebb-*.$architecture.rpm")
	[ "$(rpm -qp --nosignature --qf '%{ARCH}' "$file")" = "$architecture" ] || fail "$file is for another architecture"
done
rpm -K --nosignature "$this"
tool -i "$this"
tool -V --nouser --nogroup ebb || # whose the preferences are, the script changes
	 fail 'what is installed is not what the package says'
documents "$root"
agent "$root" settle "$root"
tool -U "$next"
settled "$root"
agent "$root" settled "$root"
tool -U --oldpackage "$this"
agent "$root" settled "$root"
tool -e ebb
gone "$root/usr/bin/ebb"
downloaded "$root"
