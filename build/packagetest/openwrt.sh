#!/usr/bin/env bash
# OpenWrt's packages: the scripts under busybox's ash with stubs for what OpenWrt offers, then both formats. The .apk is
# installed by apk-tools 3, if APK names it; the .ipk is opened by tar, as opkg does, and its scripts are run.
# shellcheck disable=SC2015 # the C of A && B || C is fail
. "$(dirname "$0")/lib.sh"
files=$top/firmware/openwrt/ebb/files
shellcheck -s dash -e SC3043 "$files/ebb.init" "$files/ebb.defaults"
shellcheck -s dash -x "$here"/openwrt/*.sh
shellcheck "$top/firmware/openwrt/imagebuilder.sh"

root=$WORK/openwrt
box "$root"
cp "$top/build/out/ebb-linux-amd64" "$root/usr/bin/ebb"
mkdir -p "$root"/{stubs,uci/etc,uci/values,files,mnt/usb}
cp "$here"/openwrt/*.sh "$root/stubs/"
cp "$files"/* "$root/files/"
export TOLD=/uci/told LOGGED=/uci/logged UCI_DIR=/uci STUBS=/stubs EBB_INIT=/files/ebb.init EBB_MERGE=/files/merge.awk FSTAB=

script() {
	rm -f "$root/uci/told" "$root/uci/logged"
	touch "$root/uci/told" "$root/uci/logged"
	chroot "$root" /bin/busybox ash /stubs/init.sh "$@" 2>/dev/null
}
told() { grep -Fqx -- "$1" "$root/uci/told" || fail "procd was not told '$1' but: $(cat "$root/uci/told")"; }
quiet() { [ ! -s "$root/uci/told" ] || fail "procd was told: $(cat "$root/uci/told")"; }
logged() { grep -Fq -- "$1" "$root/uci/logged" || fail "the log does not say '$1' but: $(cat "$root/uci/logged")"; }
config() { cat >"$root/uci/ebb"; }
preference() { grep -Fqx -- "$1" "$root/uci/etc/ebb.toml" || fail "ebb.toml does not have '$1': $(cat "$root/uci/etc/ebb.toml")"; }
# ebb itself takes the preferences.
parsed() { chroot "$root" /usr/bin/ebb doctor -config /uci/etc/ebb.toml -state /tmp/state >"$WORK/doctor" 2>&1 || fail "$(cat "$WORK/doctor")"; }

cat >"$root/uci/mounts" <<-'EOF'
	/dev/root /rom squashfs ro,relatime 0 0
	proc /proc proc rw,nosuid 0 0
	tmpfs /tmp tmpfs rw,nosuid,nodev 0 0
	/dev/mtdblock6 /overlay jffs2 rw,noatime 0 0
	overlayfs:/overlay / overlay rw,noatime 0 0
	/dev/sda1 /mnt/usb ext4 rw,relatime 0 0
	/dev/sdb1 /mnt/usb/old vfat ro,relatime 0 0
	/dev/mmcblk0p3 /mnt/my\040card ext4 rw 0 0
EOF

# As it is installed: nothing runs, and the log says what to do.
cp "$files/ebb.config" "$root/uci/ebb"
script start_service
quiet
logged "it has no disk yet, and does not use the router's own flash"
logged "uci set ebb.state.directory='/mnt/sda1/ebb'"

for place in "/srv/ebb:on the router's own flash" "/mnt/nothing/ebb:on the router's own flash" "/overlay/ebb:on the router's own flash" \
	"/tmp/ebb:in the router's memory" "/mnt/usb/old/ebb:may only be read" "ebb:not a full path" "/rom/x:on the router's own flash"; do
	config <<<"config state 'state'
	option directory '${place%%:*}'"
	script start_service
	quiet
	logged "${place#*:}"
done
for place in /mnt/usb /mnt/usb/ebb/deep '/mnt/my card/ebb'; do
	config <<<"config state 'state'
	option directory '$place'"
	script start_service
	told "set command /usr/bin/ebb run -config /uci/etc/ebb.toml -state $place"
done
# Extroot: the overlay is on a disk.
sed -i 's|^/dev/mtdblock6 /overlay jffs2|/dev/sda2 /overlay ext4|' "$root/uci/mounts"
config <<<"config state 'state'
	option directory '/srv/ebb'"
script start_service
told 'set command /usr/bin/ebb run -config /uci/etc/ebb.toml -state /srv/ebb'

config <<'EOF'
config service 'service'
	option enabled '0'
config state 'state'
	option directory '/mnt/usb/ebb'
EOF
script start_service
quiet
logged 'switched off'

# Every option, odd values included, becomes a key of ebb.toml; ebb takes them.
config <<'EOF'
config service 'service'
	option memory '48MiB'
config state 'state'
	option directory '/mnt/usb/ebb'
config background 'background'
	option storage '20GiB'
	option upload '5Mbit/s'
	list hours '22:00-07:00'
	list hours '12:00-13:00'
config foreground 'foreground'
	option directory '/mnt/usb/a "b" \c'
config sharing 'sharing'
	option list_foreground '0'
config network 'network'
	option peer_address ':6000'
	option dht 'off'
	list dht_bootstrap 'dht.example.org:6881'
config web 'web'
	option address ':8088'
config feed
	option url 'https://example.org/a.xml'
config feed
	option url 'https://example.org/b.xml'
EOF
rm -rf "$root/uci/etc"/*
printf rule >"$root/uci/values/firewall.ebb"
printf 51515 >"$root/uci/values/firewall.ebb.dest_port"
script start_service
told 'set env GOMEMLIMIT=48MiB'
told 'set user ebb'
told 'set no_new_privs 1'
told 'set capabilities /etc/capabilities/ebb.json'
told 'set respawn 3600 10 5'
told 'jail ebb log procfs sysfs'
told 'mount_rw /uci/etc /mnt/usb/ebb'
told 'mount_rw /mnt/usb/a "b" \c'
told close
preference 'storage = "20GiB"'
preference 'hours = ["22:00-07:00", "12:00-13:00"]'
preference 'directory = "/mnt/usb/a \"b\" \\c"'
preference 'list_foreground = false'
preference 'dht = false'
preference 'url = "https://example.org/b.xml"'
[ "$(cat "$root/uci/values/firewall.ebb.dest_port")" = 6000 ] || fail 'the firewall still lets peers through to the old port'
mkdir -p "$root/mnt/usb/a \"b\" \\c"
parsed

# What the page has written stays, but for what is then changed in UCI.
cat >"$WORK/page.toml" <<'EOF'
# ebb preferences.

# What swarms that you did not ask for may use.
[background]
# Disk space.
storage = "20GiB"
upload = "9Mbit/s"
hours = ["22:00-07:00", "12:00-13:00"]
goal = "preserve"

[sources]
deny = []

# Feeds
[[feed]]
url = "https://example.org/a.xml"
[[feed]]
url = "https://example.org/page.xml"

# Ports and the line.
[network]
dht = false
dht_bootstrap = [
	"a.example.org:1",
	"b.example.org:2",
]

[state]
directory = "/mnt/usb/ebb"
EOF
cp "$WORK/page.toml" "$root/uci/etc/ebb.toml"
script start_service
cmp "$WORK/page.toml" "$root/uci/etc/ebb.toml" || fail 'what the page wrote was changed, although UCI was not'
sed -i -e "s/20GiB/30GiB/" -e "/12:00-13:00/d" -e "s/dht.example.org/c.example.org/" -e "/config feed/,\$d" -e "/option dht 'off'/d" "$root/uci/ebb"
cat >>"$root/uci/ebb" <<'EOF'
config feed
	option url 'https://example.org/c.xml'
config sources 'sources'
	option peers 'ask'
	list deny '2121212121212121212121212121212121212121'
EOF
script reload_service
preference 'storage = "30GiB"'
preference 'hours = ["22:00-07:00"]'
preference 'upload = "9Mbit/s"'
preference 'goal = "preserve"'
preference 'peers = "ask"'
preference 'deny = ["2121212121212121212121212121212121212121"]'
preference 'dht_bootstrap = ["c.example.org:6881"]'
preference 'url = "https://example.org/c.xml"'
! grep -E 'a\.xml|page\.xml|b\.example|dht = false|^\]' "$root/uci/etc/ebb.toml" || fail 'something old is left in ebb.toml'
parsed

# A wrong value is refused as a whole.
sed -i "s/list_foreground '0'/list_foreground 'maybe'/" "$root/uci/ebb"
cp "$root/uci/etc/ebb.toml" "$WORK/before.toml"
! script start_service || fail 'a value that cannot be was taken'
logged 'section sharing'
cmp "$WORK/before.toml" "$root/uci/etc/ebb.toml"

# A full overlay: the preferences stay whole, and the log says why nothing runs.
sed -i "s/'maybe'/'1'/" "$root/uci/ebb"
mount -t tmpfs -o size=8k tmpfs "$root/uci/etc"
cp "$WORK/before.toml" "$root/uci/etc/ebb.toml"
dd if=/dev/zero of="$root/uci/etc/fill" bs=1k count=64 2>/dev/null || true
script start_service && result=0 || result=$?
cmp "$WORK/before.toml" "$root/uci/etc/ebb.toml" && same=0 || same=1
umount "$root/uci/etc"
if [ "$result" -eq 0 ] || [ "$same" -ne 0 ]; then
	fail "with a full overlay the script ended with $result"
fi
logged 'is the overlay full?'

# Triggers: a disk that fstab knows, and one that it does not.
FSTAB=/mnt/usb script service_triggers
told 'reload ebb'
told 'restart_mount /mnt/usb/ebb /mnt/usb/a "b" \c'
if grep -q raw "$root/uci/told"; then fail 'any mount restarts ebb, although fstab knows its disk'; fi
script service_triggers
told 'raw mount.add 2000 /etc/init.d/ebb start'

# The firewall rule, once.
rm -f "$root/uci/values"/*
mkdir -p "$root/etc/config"
touch "$root/etc/config/firewall"
chroot "$root" /bin/busybox ash -c '. /stubs/functions.sh; . /files/ebb.defaults'
[ "$(cat "$root/uci/values/firewall.ebb.dest_port")" = 51515 ] || fail 'there is no rule for the firewall'
printf 6000 >"$root/uci/values/firewall.ebb.dest_port" # the owner's
chroot "$root" /bin/busybox ash -c '. /stubs/functions.sh; . /files/ebb.defaults'
[ "$(cat "$root/uci/values/firewall.ebb.dest_port")" = 6000 ] || fail 'a rule that was there was made anew'

for json in "$top"/firmware/openwrt/luci-app-ebb/root/usr/share/*/*/*.json "$files/ebb.capabilities.json"; do
	jq . "$json" >/dev/null || fail "$json is no JSON"
done

# The packages.
for arch in x86_64 mipsel_24kc mips_24kc aarch64_cortex-a53 arm_cortex-a7_neon-vfpv4 riscv64_riscv64; do
	ls "$PACKAGES/openwrt/$arch"/ebb_*_"$arch.ipk" "$PACKAGES/openwrt/$arch"/ebb-*.apk >/dev/null || fail "nothing for $arch"
done
ipk=("$PACKAGES"/openwrt/x86_64/ebb_*.ipk)
luci=("$PACKAGES"/openwrt/all/luci-app-ebb_*.ipk)
target=$WORK/ipk
box "$target"
for file in "${ipk[0]}" "${luci[0]}"; do
	mkdir -p "$WORK/opened"
	tar -xzf "$file" -C "$WORK/opened"
	[ "$(cat "$WORK/opened/debian-binary")" = 2.0 ] || fail "$file is of no version"
	tar -xzf "$WORK/opened/data.tar.gz" -C "$target"
	mkdir -p "$WORK/control"
	tar -xzf "$WORK/opened/control.tar.gz" -C "$WORK/control"
	grep -q '^Depends: libc, ' "$WORK/control/control" || fail "$file: $(cat "$WORK/control/control")"
done
[ -x "$target/etc/init.d/ebb" ] && [ -e "$target/www/luci-static/resources/view/ebb.js" ] || fail 'a file is missing'
chroot "$target" /usr/bin/ebb version
# opkg calls the scripts of a package so; functions.sh is OpenWrt's.
mkdir -p "$target/lib"
echo 'default_postinst() { echo "$@" >/tmp/installed; }; default_prerm() { echo "$@" >/tmp/removed; }' >"$target/lib/functions.sh"
tar -xzf "${ipk[0]}" -O ./control.tar.gz | tar -xz -C "$target/tmp"
chroot "$target" /bin/sh /tmp/postinst configure && [ -e "$target/tmp/installed" ] || fail 'postinst does not call OpenWrt'
chroot "$target" /bin/sh /tmp/prerm remove && [ -e "$target/tmp/removed" ] || fail 'prerm does not call OpenWrt'

if [ -z "${APK:-}" ]; then
	echo 'openwrt: APK names no apk-tools 3: the .apk is read by the test of build/pack only'
	exit 0
fi
apk=("$PACKAGES"/openwrt/x86_64/ebb-*.apk)
view=("$PACKAGES"/openwrt/all/luci-app-ebb-*.apk)
"$APK" adbdump "${apk[0]}" >"$WORK/dump"
grep -q '^  name: ebb$' "$WORK/dump" && grep -q 'arch: x86_64' "$WORK/dump" && grep -q 'depends: # 2' "$WORK/dump" || fail "$(head -n 30 "$WORK/dump")"
"$APK" verify --allow-untrusted "${apk[0]}"
for file in "$PACKAGES"/openwrt/*/*.apk; do
	"$APK" adbdump "$file" >/dev/null || fail "$file cannot be read"
done
target=$WORK/apk
box "$target"
mkdir -p "$target/lib"
cat >"$target/lib/functions.sh" <<'EOF'
add_group_and_user() { echo "users of $pkgname: $(cat "$root/lib/apk/packages/$pkgname.rusers" 2>/dev/null)" >>/tmp/log; }
default_postinst() { echo "installed $pkgname ${PKG_UPGRADE:-}" >>/tmp/log; }
default_prerm() { echo "removed $pkgname" >>/tmp/log; }
EOF
for name in libc ca-bundle luci-base; do
	"$APK" mkpkg --info "name:$name" --info version:1 --info arch:noarch --output "$WORK/$name.apk"
done
tool() { "$APK" --root "$target" --allow-untrusted --no-network --repositories-file /dev/null "$@" </dev/null; }
tool --arch x86_64 --initdb add "$WORK"/{libc,ca-bundle,luci-base}.apk "${apk[0]}" "${view[0]}"
grep -q 'users of ebb: ebb:ebb' "$target/tmp/log" && grep -q 'installed ebb' "$target/tmp/log" || fail 'the scripts did not run'
chroot "$target" /usr/bin/ebb version
cmp "$target/etc/init.d/ebb" "$files/ebb.init"
tool audit --packages 2>/dev/null || true
later openwrt
tool add "$WORK"/later/openwrt/x86_64/ebb-99*.apk
grep -q 'installed ebb 1' "$target/tmp/log" || fail 'an upgrade is not known as one'
# What an owner has set survives: apk writes the new file beside it.
tool del luci-app-ebb ebb
grep -q 'removed ebb' "$target/tmp/log" || fail 'the removal called nothing'
gone "$target/usr/bin/ebb" "$target/etc/init.d/ebb"

# An index of them, as the ImageBuilder makes one.
(cd "$PACKAGES/openwrt/x86_64" && "$APK" mkndx --allow-untrusted --output "$WORK/packages.adb" ./*.apk)
