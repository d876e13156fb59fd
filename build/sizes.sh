#!/bin/sh
# Prints the size of each file given, and as it lies in a router's flash (squashfs, xz, blocks of 256 KiB) if mksquashfs
# is there. Those for routers, mips and mipsle, have a budget: over it, this fails.
#
#	build/sizes.sh build/out/ebb-linux-*
#
# SIZES=full: without mksquashfs, fail.
set -eu

BUDGET=16000000 FLASH_BUDGET=4000000 # bytes; the README says how much flash such routers have

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if ! command -v mksquashfs >/dev/null; then
	echo 'without mksquashfs (squashfs-tools) only files are measured'
	[ "${SIZES:-}" != full ]
fi

over=0
check() { # what bytes budget
	if [ "$2" -gt "$3" ]; then
		echo "$1: $2 bytes are over the budget of $3"
		over=1
	fi
}

printf '%-12s %12s %12s\n' target bytes squashfs-xz
for file; do
	target=${file##*-} flash=-
	bytes=$(($(wc -c <"$file")))
	if command -v mksquashfs >/dev/null; then
		mksquashfs "$file" "$work/image" -comp xz -b 256K -noappend -quiet -no-progress -all-root -processors 1
		flash=$(($(wc -c <"$work/image")))
	fi
	printf '%-12s %12d %12s\n' "$target" "$bytes" "$flash"
	case $target in
	mips | mipsle)
		check "$target" "$bytes" $BUDGET
		[ "$flash" = - ] || check "$target in squashfs" "$flash" $FLASH_BUDGET
		;;
	esac
done
exit $over
