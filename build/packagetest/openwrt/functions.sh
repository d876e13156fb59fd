# What OpenWrt's base-files, procd and uci offer, as far as ebb's scripts use it. What procd is told goes to $TOLD, what
# the log is told to $LOGGED. UCI is read from $UCI_DIR/CONFIG; `validate` refuses a bool that is none.
# shellcheck shell=dash disable=SC3043,SC2034,SC1090

logger() {
	while [ $# -gt 1 ]; do shift; done
	echo "$1" >>"$LOGGED"
}
chown() { :; } # nobody is ebb here
stat() { echo ebb; }

CONFIG_SECTIONS=
config_load() {
	CONFIG_SECTIONS=
	. "$UCI_DIR/$1"
}
config() {
	count=$((${count:-0} + 1))
	CONFIG_SECTION="${2:-cfg$count}"
	CONFIG_SECTIONS="$CONFIG_SECTIONS $CONFIG_SECTION"
	eval "CONFIG_${CONFIG_SECTION}_TYPE=\$1"
}
option() { eval "CONFIG_${CONFIG_SECTION}_$1=\$2"; }
list() { eval "CONFIG_${CONFIG_SECTION}_$1=\"\${CONFIG_${CONFIG_SECTION}_$1:+\$CONFIG_${CONFIG_SECTION}_$1 }\$2\""; }
config_get() { eval "$1=\"\${CONFIG_${2}_$3:-\$4}\""; }
config_foreach() {
	local section type
	for section in $CONFIG_SECTIONS; do
		config_get type "$section" TYPE
		[ "$type" != "$2" ] || "$1" "$section"
	done
}
uci_validate_section() {
	local section="$3" o name type default value
	shift 3
	for o in "$@"; do
		name="${o%%:*}" o="${o#*:}"
		type="${o%%:*}"
		[ "$o" = "$type" ] && default= || default="${o#*:}"
		config_get value "$section" "$name" "$default"
		case "$type:$value" in
		bool: | string:* | list*) ;;
		bool:1 | bool:on | bool:true | bool:yes) value=1 ;;
		bool:0 | bool:off | bool:false | bool:no) value=0 ;;
		*) return 1 ;;
		esac
		eval "$name=\"\$value\""
	done
}

procd_open_instance() { echo "open $*" >>"$TOLD"; }
procd_set_param() { echo "set $*" >>"$TOLD"; }
procd_append_param() { echo "append $*" >>"$TOLD"; }
procd_add_jail() { echo "jail $*" >>"$TOLD"; }
procd_add_jail_mount() { echo "mount $*" >>"$TOLD"; }
procd_add_jail_mount_rw() { echo "mount_rw $*" >>"$TOLD"; }
procd_close_instance() { echo close >>"$TOLD"; }
procd_add_reload_trigger() { echo "reload $*" >>"$TOLD"; }
procd_add_restart_mount_trigger() { echo "restart_mount $*" >>"$TOLD"; }
procd_add_raw_trigger() { echo "raw $*" >>"$TOLD"; }
procd_get_mountpoints() { echo "$FSTAB"; }
start() { start_service; }

# uci keeps one firewall rule in a file for each option.
uci() {
	local name
	[ "$1" != -q ] || shift
	case "$1" in
	get) cat "$UCI_DIR/values/$2" 2>/dev/null ;;
	set)
		name="${2%%=*}"
		printf %s "${2#*=}" >"$UCI_DIR/values/$name"
		;;
	batch)
		while read -r verb rest; do
			[ "$verb" != set ] || eval "printf %s ${rest#*=} >\"\$UCI_DIR/values/${rest%%=*}\""
		done
		;;
	esac
}
