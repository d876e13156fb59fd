#!/usr/bin/env bash
# Installs the Debian packages that tests need. If all of them are installed it does nothing, and needs neither root nor
# a network. No service that comes with them is left running or enabled.
#
#     build/install.sh WHO COMMAND=PACKAGE … [PACKAGE …]
#
# WHO is named in messages. A package counts as installed if its COMMAND exists; one that is given without a command is
# always installed.
set -euo pipefail

who=$1
shift
missing=()
for wanted in "$@"; do
	case $wanted in
	*=*) command -v "${wanted%%=*}" >/dev/null || missing+=("${wanted#*=}") ;;
	*) missing+=("$wanted") ;;
	esac
done
if [ ${#missing[@]} -eq 0 ]; then
	exit 0
fi
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
	echo "$who needs packages that are not installed; as root: apt-get install ${missing[*]}" >&2
	exit 1
fi

# A package's service is started when it is installed, unless policy-rc.d says no (exit status 101).
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
	trap 'rm -f $policy' EXIT
	printf '#!/bin/sh\nexit 101\n' >$policy
	chmod 755 $policy
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -q -y --no-install-recommends "${missing[@]}"

# An existing policy may have said yes, and an enabled service would start at the next boot.
if [ -d /run/systemd/system ]; then
	for package in "${missing[@]}"; do
		if systemctl cat "$package.service" >/dev/null 2>&1; then
			systemctl disable --now "$package.service"
		fi
	done
fi
