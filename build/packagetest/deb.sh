#!/usr/bin/env bash
# Debian's package, by dpkg in a Debian of debootstrap's; the unit, by systemd-analyze.
. "$(dirname "$0")/lib.sh"
architecture=$(dpkg --print-architecture)
this=$(package "ebb_*_$architecture.deb")
later linux
next=$(find "$WORK/later" -name "ebb_99*_$architecture.deb")
root=$WORK/deb
debian "$root"
in_root() { chroot "$root" env DEBIAN_FRONTEND=noninteractive "$@" </dev/null; }

for architecture in amd64 arm64 armhf armel riscv64; do
	file=$(package "ebb_*_$architecture.deb")
	[ "$(dpkg-deb -f "$file" Architecture)" = "$architecture" ] || fail "$file is for another architecture"
done
cp "$this" "$root/this.deb"
cp "$next" "$root/next.deb"
in_root dpkg -i /this.deb
documents "$root"
in_root ebb version
in_root ebb manual | cmp - <(zcat -f "$root"/usr/share/man/man1/ebb.1*) || fail 'the manual is of another version'
agent "$root" settle "$root"
in_root dpkg -i /next.deb
settled "$root"
agent "$root" settled "$root"
in_root dpkg -i --force-downgrade /this.deb
agent "$root" settled "$root"
in_root dpkg -r ebb
gone "$root/usr/bin/ebb"
settled "$root"
in_root dpkg -P ebb
gone "$root/etc/ebb" "$root/var/lib/ebb/fragments" "$root/var/lib/ebb/api-token"
downloaded "$root"

# Without downloads nothing stays.
rm -r "$root/var/lib/ebb"
in_root dpkg -i /this.deb
agent "$root" true
in_root dpkg -P ebb
gone "$root/etc/ebb" "$root/var/lib/ebb"

systemd-analyze security --no-pager --offline=true --threshold=25 "$top/firmware/systemd/ebb.service" | tail -n 1
