#!/usr/bin/env bash
# Installs Debian packages for tests, if they are not installed: nothing more happens then, and neither root nor a
# network is needed. No service that comes with them is left running or enabled.
#
#     build/install.sh WHO COMMAND=PACKAGE … [PACKAGE …]
#
# WHO asks, for the message. A package is taken to be installed if there is its command; one without a command is wanted
# in any case.
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

# The policy may be somebody else's and say yes, and an enabled service starts with the next boot.
if [ -d /run/systemd/system ]; then
	for package in "${missing[@]}"; do
		if systemctl cat "$package.service" >/dev/null 2>&1; then
			systemctl disable --now "$package.service"
		fi
	done
fi
