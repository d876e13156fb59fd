#!/bin/sh
# After ebb's files are gone. Only `dpkg --purge` asks for more: then what ebb kept goes, fragments included. Downloads
# are the owner's, and stay; so does the user, as files of theirs do.
set -e
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload || true
fi
if [ "${1:-}" = purge ]; then
	if [ -d /var/lib/ebb ]; then
		find /var/lib/ebb -mindepth 1 -maxdepth 1 ! -name downloads -exec rm -rf {} +
		rmdir /var/lib/ebb/downloads /var/lib/ebb 2>/dev/null || true
		if [ -d /var/lib/ebb/downloads ]; then
			echo "ebb: your downloads stay in /var/lib/ebb/downloads"
		fi
	fi
	rm -rf /etc/ebb
fi
