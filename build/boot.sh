#!/usr/bin/env bash
# Boots ebb on a MIPS router that is none: qemu's Malta board with 128 MB of memory, Debian's kernel for it, and a root that
# has nothing but busybox and ebb. ebb has to start, to answer its commands and its page, to end when told, and to need
# no more memory than there is. Prints what it needed. (Debian; root, for what it installs.)
#
#	make cross-mipsle && build/boot.sh [SECONDS]      # how long ebb runs, 60
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}
build/install.sh boot qemu-system-mipsel=qemu-system-mips cpio=cpio dpkg-deb=dpkg curl=curl
work=$(mktemp -d)
qemu=
trap '[ -z "$qemu" ] || kill "$qemu" 2>/dev/null || true; rm -rf "$work"' EXIT

# A kernel of another architecture, by an apt that knows nothing of this machine's packages.
mkdir -p "$work"/{lists/partial,archives/partial,kernel,busybox,root/{bin,proc,sys,dev,etc/ebb,tmp,srv,lib}}
touch "$work/status"
foreign() {
	"$1" -o Dir::State="$work" -o Dir::State::lists="$work/lists" -o Dir::State::status="$work/status" -o Dir::Cache="$work" \
		-o APT::Architecture=mipsel -o APT::Architectures=mipsel -o APT::Sandbox::User=root -qq "${@:2}"
}
foreign apt-get update
kernel=$(foreign apt-cache search --names-only '^linux-image-[0-9].*-4kc-malta$' | cut -d' ' -f1 | sort -V | tail -n 1)
(cd "$work" && foreign apt-get download "$kernel" busybox-static)
dpkg-deb -x "$work"/linux-image-*.deb "$work/kernel"
dpkg-deb -x "$work"/busybox-static*.deb "$work/busybox"
cp "$work/busybox/bin/busybox" "$work/root/bin/"
cp build/out/ebb-linux-mipsle "$work/root/bin/ebb"
for module in mii pcnet32; do
	find "$work/kernel" -name "$module.ko" -exec cp {} "$work/root/lib/" \;
done
echo 'root:x:0:0::/:/bin/sh' >"$work/root/etc/passwd"
printf '[web]\naddress = ":8088"\n[background]\nstorage = "16MiB"\nkeep_free = "4MiB"\n' >"$work/root/etc/ebb/ebb.toml"
cat >"$work/root/init" <<'EOF'
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs -o size=40m tmp /srv
insmod /lib/mii.ko
insmod /lib/pcnet32.ko
ip link set lo up
ip addr add 10.0.2.15/24 dev eth0
ip link set eth0 up
ip route add default via 10.0.2.2
ebb version
ebb run -config /etc/ebb/ebb.toml -state /srv/ebb &
pid=$!
tries=0
until ebb status -state /srv/ebb; do
	tries=$((tries + 1))
	[ $tries -lt 100 ] || break
	sleep 2
done
ebb doctor -state /srv/ebb
echo 'boot: running'
read -r said </dev/ttyS0 # the host has looked at the page
grep -E 'VmRSS|VmHWM' /proc/$pid/status | sed 's/^/boot: /'
awk '{ print "boot: " ($14 + $15) / 100 " s of CPU" }' /proc/$pid/stat
awk '/MemTotal|MemAvailable/ { print "boot: " $0 }' /proc/meminfo
dmesg | grep -i -E 'oom-kill|out of memory' | sed 's/^/boot: /'
kill -TERM $pid
wait $pid
echo "boot: ebb ended with $?"
poweroff -f
EOF
chmod 755 "$work/root/init"
(cd "$work/root" && find . | cpio --quiet -o -H newc | gzip -1 >"$work/initrd")

mkfifo "$work/keys"
qemu-system-mipsel -M malta -cpu 24Kf -m 128 -vga none -nographic -no-reboot -kernel "$work"/kernel/boot/vmlinuz-* \
	-initrd "$work/initrd" -append 'console=ttyS0 rdinit=/init panic=1 quiet' \
	-netdev user,id=lan,hostfwd=tcp:127.77.10.1:8088-:8088 -device pcnet,netdev=lan,romfile= <"$work/keys" >"$work/console" 2>&1 &
qemu=$!
exec 3>"$work/keys"
until grep -q '^boot: running' "$work/console"; do
	kill -0 $qemu 2>/dev/null || { cat "$work/console" && exit 1; }
	[ $SECONDS -lt 1200 ] || { cat "$work/console" && echo 'boot: it takes longer than 20 minutes' && exit 1; }
	sleep 1
done
sleep "$seconds"
curl -sS -o "$work/page" --max-time 60 http://127.77.10.1:8088/
grep -qi '<html' "$work/page" || { echo 'boot: the page does not answer' && exit 1; }
echo go >&3
wait $qemu || true
qemu=
tr -d '\r' <"$work/console" | grep -v '^\['
grep -q '^boot: ebb ended with 0' "$work/console" || exit 1
! grep -q '^boot:.*\(oom-kill\|out of memory\)' "$work/console"
