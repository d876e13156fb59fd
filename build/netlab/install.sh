#!/usr/bin/env bash
# Installs the Debian packages that the netlab scenarios use, if they are not installed: nothing more happens then, and
# neither root nor a network is needed. No service that comes with them is left running or enabled.
set -euo pipefail

declare -A package_of=(
	[ip]=iproute2
	[tc]=iproute2
	[iperf3]=iperf3
	[transmission-daemon]=transmission-daemon
)
missing=()
for command in "${!package_of[@]}"; do
	command -v "$command" >/dev/null || missing+=("${package_of[$command]}")
done
# Debian's own Python, not another one that PATH may name first: the module is installed for that one.
/usr/bin/python3 -c 'import libtorrent' 2>/dev/null || missing+=(python3-libtorrent)
if [ ${#missing[@]} -eq 0 ]; then
	exit 0
fi
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
	echo "netlab needs packages that are not installed; as root: apt-get install ${missing[*]}" >&2
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
	for service in iperf3 transmission-daemon; do
		case " ${missing[*]} " in
		*" $service "*) systemctl disable --now $service.service ;;
		esac
	done
fi
