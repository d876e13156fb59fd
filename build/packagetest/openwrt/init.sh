#!/bin/sh
# Runs what is given, with ebb's init script and functions.sh in the shell that reads this: busybox's ash.
# shellcheck disable=SC1090,SC1091,SC2034
. "$STUBS/functions.sh"
. "$EBB_INIT"
CONFIG="$UCI_DIR/etc/ebb.toml"
TAKEN="$UCI_DIR/etc/uci"
MERGE="$EBB_MERGE"
MOUNTS="$UCI_DIR/mounts"
"$@"
