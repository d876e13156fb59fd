#!/usr/bin/env bash
# Tries the packages of a directory: each is installed by its own tools in a clean root, ebb is run there, the package is
# upgraded and removed. What an owner has downloaded has to be there at the end. Needs root and what install.sh installs.
#
#	build/packagetest/run.sh build/out/packages [KIND…]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
packages=$(cd "$1" && pwd)
shift
[ $# -gt 0 ] || set -- deb rpm alpine arch openwrt image nas

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for kind; do
	echo "== $kind"
	PACKAGES=$packages WORK=$work bash "$here/$kind.sh"
done
echo '== every package is as it should be'
