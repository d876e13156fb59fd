#!/bin/sh
# ebb on a QNAP NAS, as a user of its own: start, stop, restart or status.
dir=$(/sbin/getcfg ebb Install_Path -f /etc/config/qpkg.conf)
state=${dir%/.qpkg/ebb}/.ebb
pidfile=$state/ebb.pid

# ebb itself, not sudo above it, which ends when it does.
running() {
	pid=$(cat "$pidfile" 2>/dev/null) && [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null
}

case "$1" in
start)
	[ "$(/sbin/getcfg ebb Enable -u -d FALSE -f /etc/config/qpkg.conf)" = TRUE ] || {
		echo 'ebb is disabled in App Center'
		exit 1
	}
	! running || exit 0
	[ ! -e "$state/ebb.log" ] || mv "$state/ebb.log" "$state/ebb.log.old"
	sudo -u ebb sh -c 'echo $$ >"$2/ebb.pid"; exec "$1/bin/ebb" run -config "$2/ebb.toml" -state "$2" >"$2/ebb.log" 2>&1' sh "$dir" "$state" &
	sleep 2
	running || {
		tail -n 1 "$state/ebb.log"
		exit 1
	}
	;;
stop)
	running || exit 0
	kill -TERM "$pid"
	tries=0
	while kill -0 "$pid" 2>/dev/null; do
		tries=$((tries + 1))
		[ $tries -le 30 ] || kill -KILL "$pid"
		sleep 1
	done
	rm -f "$pidfile"
	;;
restart)
	"$0" stop
	"$0" start
	;;
status)
	running || exit 3
	"$dir/bin/ebb" status -config "$state/ebb.toml" -state "$state"
	;;
remove) ;;
*)
	echo "usage: $0 start|stop|restart|status" >&2
	exit 2
	;;
esac
