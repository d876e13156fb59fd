#!/bin/sh
# Before ebb's files go. An upgrade (dpkg: "upgrade", rpm: 1) goes on to the new version's own script, which restarts.
set -e
case "${1:-}" in
upgrade | failed-upgrade | 1) exit 0 ;;
esac
if [ -d /run/systemd/system ]; then
	systemctl disable --now ebb.service || true
elif command -v rc-service >/dev/null; then
	rc-service --ifstarted ebb stop || true
	rc-update del ebb >/dev/null 2>&1 || true
elif command -v systemctl >/dev/null; then
	systemctl disable ebb.service >/dev/null 2>&1 || true
fi
