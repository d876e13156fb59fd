#!/usr/bin/env bash
# Installs the programs that the interop tests drive.
exec "$(dirname "$0")/../install.sh" interop opentracker=opentracker transmission-daemon=transmission-daemon \
	aria2c=aria2 qbittorrent-nox=qbittorrent-nox transmission-remote=transmission-cli
