#!/bin/sh
# App Center runs this when ebb is removed. What ebb kept goes, downloads stay where they are.
dir=$(/sbin/getcfg ebb Install_Path -f /etc/config/qpkg.conf)
[ -n "$dir" ] && [ "${dir%/.qpkg/ebb}" != "$dir" ] || exit 1
"$dir/ebb.sh" stop
state=${dir%/.qpkg/ebb}/.ebb
[ ! -d "$state" ] || find "$state" -mindepth 1 -maxdepth 1 ! -name downloads -exec rm -rf {} +
rmdir "$state" 2>/dev/null
rm -f /etc/init.d/ebb.sh /etc/rcS.d/QS101ebb /etc/rcK.d/QK101ebb /home/httpd/RSS/images/ebb.gif \
	/home/httpd/RSS/images/ebb_80.gif /home/httpd/RSS/images/ebb_gray.gif
rm -rf "$dir"
exit 0
