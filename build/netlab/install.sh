#!/usr/bin/env bash
# Installs the programs that the netlab scenarios use.
set -euo pipefail
# Debian's own Python, which the module is installed for; PATH may name another one first.
libtorrent=()
/usr/bin/python3 -c 'import libtorrent' 2>/dev/null || libtorrent=(python3-libtorrent)
exec "$(dirname "$0")/../install.sh" netlab ip=iproute2 tc=iproute2 iperf3=iperf3 \
	transmission-daemon=transmission-daemon "${libtorrent[@]}"
