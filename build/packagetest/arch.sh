#!/usr/bin/env bash
# Arch's package, by pacman, with its database and its scripts in a clean root.
. "$(dirname "$0")/lib.sh"
this=$(package "ebb-*-x86_64.pkg.tar.zst")
later linux
root=$WORK/arch
debian "$root"
ln -sf bash "$root/bin/sh" # as on Arch
mkdir -p "$root/var/lib/pacman" "$root/etc/pacman.d" "$WORK/cache"
printf '[options]\nArchitecture = auto\nSigLevel = Never\n' >"$WORK/pacman.conf"
tool() {
	pacman --config "$WORK/pacman.conf" --root "$root" --cachedir "$WORK/cache" --noconfirm "$@" </dev/null
}
tool -U --nodeps --nodeps "$this"
documents "$root"
agent "$root" settle "$root"
tool -U --nodeps --nodeps "$(find "$WORK/later" -name 'ebb-99*-x86_64.pkg.tar.zst')"
settled "$root"
agent "$root" settled "$root"
tool -U --nodeps --nodeps "$this"
agent "$root" settled "$root"
tool -R ebb
gone "$root/usr/bin/ebb"
downloaded "$root"
