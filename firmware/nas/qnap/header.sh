#!/bin/sh
# shellcheck disable=SC2015 # the C of A && B || C is abort
# Installs ebb on a QNAP NAS: what follows this script in the file is a compressed tar of ebb's files. App Center runs the
# file; exit status 10 tells it that all is done and the file may go.
say() {
	echo "ebb: $1"
	[ ! -x /sbin/log_tool ] || /sbin/log_tool -t "${2:-0}" -u System -p 127.0.0.1 -m localhost -a "[App Center] ebb: $1"
}
abort() {
	say "$1" 2
	echo -1 >/tmp/update_process
	exit 1
}
case "$(uname -m)" in
@MACHINES@) ;;
*) abort "this package is for another CPU than $(uname -m)" ;;
esac
public=$(/sbin/getcfg Public path -f /etc/config/smb.conf)
if [ -n "$QINSTALL_PATH" ]; then
	base=${QINSTALL_PATH%/.qpkg}
else
	base=${public%/*}
fi
[ -n "$base" ] && [ -d "$base" ] || abort "there is no volume to install on"
dir=$base/.qpkg/ebb
[ ! -x "$dir/ebb.sh" ] || "$dir/ebb.sh" stop
mkdir -p "$dir" || abort "$dir cannot be made"
tail -n +@LINES@ "$0" | head -c @BYTES@ | tar -xz -C "$dir" || abort "the file is damaged, or $base is full"

id ebb >/dev/null 2>&1 || /bin/adduser -D -H -s /bin/false ebb || abort "the user ebb cannot be made"
state=$base/.ebb
downloads=${public:-$base}/ebb
mkdir -p "$state" "$downloads" && chown ebb "$state" "$downloads" || abort "$state and $downloads cannot be made"
if [ ! -e "$state/ebb.toml" ]; then
	printf '[foreground]\ndirectory = "%s"\n' "$downloads" >"$state/ebb.toml"
	chown ebb "$state/ebb.toml"
fi

set_field() { /sbin/setcfg ebb "$1" "$2" -f /etc/config/qpkg.conf; }
set_field Name ebb
set_field Display_Name ebb
set_field Version "@VERSION@"
set_field Author "The ebb authors"
set_field QPKG_File ebb.qpkg
set_field Date "$(date +%F)"
set_field Shell "$dir/ebb.sh"
set_field Install_Path "$dir"
set_field Service_Port 51515
set_field Web_Port 8088
set_field WebUI /
set_field RC_Number 101
[ -n "$(/sbin/getcfg ebb Enable -f /etc/config/qpkg.conf)" ] || set_field Enable TRUE

ln -sf "$dir/ebb.sh" /etc/init.d/ebb.sh
ln -sf /etc/init.d/ebb.sh /etc/rcS.d/QS101ebb
ln -sf /etc/init.d/ebb.sh /etc/rcK.d/QK101ebb
for icon in ebb ebb_80 ebb_gray; do
	[ ! -d /home/httpd/RSS/images ] || cp "$dir/.icons/$icon.gif" /home/httpd/RSS/images/
done
"$dir/ebb.sh" start || say "installed, but not started: look at $state/ebb.log" 1
say "version @VERSION@ is installed; its page is at port 8088 once you let your network in: $dir/bin/ebb prefs -state $state web.address=:8088"
exit 10
