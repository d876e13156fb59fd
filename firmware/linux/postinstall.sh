#!/bin/sh
# After ebb's files are there: its user, its directories, its service. dpkg says "configure", rpm the number of versions
# that are there now, others say nothing.
set -e

if ! id ebb >/dev/null 2>&1; then
	if command -v useradd >/dev/null; then
		useradd --system --user-group --home-dir /var/lib/ebb --no-create-home --shell /usr/sbin/nologin --comment ebb ebb
	else # busybox
		addgroup -S ebb
		adduser -S -D -H -h /var/lib/ebb -s /sbin/nologin -G ebb -g ebb ebb
	fi
fi
# The page and `ebb prefs` write the preferences anew, so that the directory has to be ebb's own.
chown ebb:ebb /etc/ebb /etc/ebb/ebb.toml
mkdir -p /var/lib/ebb
chown ebb:ebb /var/lib/ebb
chmod 750 /var/lib/ebb

if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
	systemctl enable ebb.service
	systemctl restart ebb.service
elif command -v systemctl >/dev/null; then
	systemctl enable ebb.service >/dev/null 2>&1 || true # in a root that is not running
fi
