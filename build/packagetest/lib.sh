# What the tests of packages share. WORK is a directory for what they make, PACKAGES has the packages.
# shellcheck shell=bash
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
: "${WORK:?}" "${PACKAGES:?}"

fail() {
	echo "packagetest: $*" >&2
	exit 1
}

# package prints the one package whose name fits a pattern.
package() {
	local found
	mapfile -t found < <(find "$PACKAGES" -maxdepth 1 -name "$1")
	[ ${#found[@]} -eq 1 ] || fail "$1 fits ${#found[@]} packages, not one"
	echo "${found[0]}"
}

# later makes packages of the same binary for amd64 that say that they are of version 99.0.0.
later() {
	local kind=$1
	export SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-0}" LICENSE_ID="${LICENSE_ID:-LicenseRef-unset}"
	(cd "$top/build/pack" && VERSION=99.0.0 go run . -root ../.. -out "$WORK/later" -only amd64 "$kind")
}

# debian makes a clean Debian in a directory.
debian() {
	local base=${DEBIAN_ROOT:-$WORK/debian}
	[ -d "$base/etc" ] || debootstrap --variant=minbase --include=ca-certificates stable "$base" >"$WORK/debootstrap.log" ||
		fail "debootstrap: $(tail -n 3 "$WORK/debootstrap.log")"
	cp -a "$base" "$1"
}

# box makes a root that has nothing but busybox and accounts.
box() {
	local root=$1 name
	mkdir -p "$root"/{bin,sbin,usr/bin,usr/sbin,etc,proc,dev,tmp,var/lib,var/run,root}
	cp "$(command -v busybox)" "$root/bin/busybox"
	for name in $(busybox --list); do
		[ "$name" = busybox ] || ln -sf /bin/busybox "$root/bin/$name"
	done
	echo 'root:x:0:0:root:/root:/bin/sh' >"$root/etc/passwd"
	echo 'root:x:0:' >"$root/etc/group"
	mknod -m 666 "$root/dev/null" c 1 3
	# Debian's busybox lacks these two of Alpine's.
	# shellcheck disable=SC2016
	printf '#!/bin/sh\n[ "$1" = -S ] && echo "$2:x:900:" >>/etc/group\n' >"$root/usr/sbin/addgroup"
	# shellcheck disable=SC2016
	printf '#!/bin/sh\nfor name; do :; done\necho "$name:x:900:900::/var/lib/ebb:/sbin/nologin" >>/etc/passwd\n' >"$root/usr/sbin/adduser"
	chmod 755 "$root/usr/sbin/addgroup" "$root/usr/sbin/adduser"
}

# agent runs ebb in a root, as the user that the package has made, in a network of its own; then "$@", and the end.
agent() {
	local root=$1 pid tries=0
	shift
	# shellcheck disable=SC2016
	unshare -n sh -c 'ip link set lo up; exec chroot --userspec=ebb:ebb "$1" /usr/bin/ebb run -config /etc/ebb/ebb.toml -state /var/lib/ebb' \
		sh "$root" 2>"$WORK/ebb.log" &
	pid=$!
	until chroot "$root" /usr/bin/ebb status -state /var/lib/ebb >"$WORK/status" 2>&1; do
		tries=$((tries + 1))
		if [ $tries -gt 100 ] || ! kill -0 $pid 2>/dev/null; then
			fail "ebb does not run in $root: $(cat "$WORK/status" "$WORK/ebb.log")"
		fi
		sleep 0.2
	done
	"$@"
	kill -TERM $pid
	wait $pid || fail "ebb ended with $?: $(tail -n 3 "$WORK/ebb.log")"
}

# settle changes a preference, as an owner does, and puts a download where downloads go.
settle() {
	chroot "$1" /usr/bin/ebb prefs -config /etc/ebb/ebb.toml -state /var/lib/ebb background.storage=64MiB >/dev/null
	grep -q '^storage = "64MiB"' "$1/etc/ebb/ebb.toml" || fail 'the preference was not written'
	echo mine >"$1/var/lib/ebb/downloads/mine.txt"
}

# settled checks that all of it is still there.
settled() {
	grep -q '^storage = "64MiB"' "$1/etc/ebb/ebb.toml" || fail 'the preferences are gone'
	downloaded "$1"
}

downloaded() {
	[ "$(cat "$1/var/lib/ebb/downloads/mine.txt")" = mine ] || fail 'a download is gone'
}

gone() {
	local path
	for path; do
		[ ! -e "$path" ] || fail "$path is still there"
	done
}

# documents checks that the manual page and the completions came along.
documents() {
	local root=$1 page
	page=$(find "$root/usr/share/man/man1" -name 'ebb.1*')
	case $page in
	*.gz) zcat "$page" ;;
	*) cat "$page" ;;
	esac | grep -q '^\.TH EBB 1' || fail 'there is no manual page'
	grep -q '_ebb()' "$root/usr/share/bash-completion/completions/ebb" || fail 'there is no completion for bash'
	grep -rq '#compdef ebb' "$root/usr/share/zsh" || fail 'there is no completion for zsh'
}
