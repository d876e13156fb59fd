#!/usr/bin/env bash
# What NAS devices install: Synology's package, opened as Package Center does, with its scripts run as ebb's own user;
# QNAP's, run by busybox's shell with stand-ins for QTS's own programs; and the definitions for containers.
# shellcheck disable=SC2015,SC2016
. "$(dirname "$0")/lib.sh"
shellcheck -s dash "$top"/firmware/nas/synology/{postinst,postuninst,start-stop-status} "$top"/firmware/nas/qnap/*.sh
for json in privilege resource app-config install_uifile; do
	jq . "$top/firmware/nas/synology/$json" >/dev/null || fail "$json is no JSON"
done
alone() { unshare -n sh -c 'ip link set lo up; exec "$@"' sh "$@"; }

spk=$(package 'ebb-*-synology-x86_64.spk')
mkdir "$WORK/spk"
tar -xf "$spk" -C "$WORK/spk"
grep -q "^checksum=\"$(md5sum <"$WORK/spk/package.tgz" | cut -d' ' -f1)\"" "$WORK/spk/INFO" || fail 'INFO has another checksum'
grep -Eq '^version="[0-9.]+-[0-9]+"$' "$WORK/spk/INFO" || fail "$(grep version "$WORK/spk/INFO")"
for field in package os_min_ver description arch maintainer; do
	grep -Eq "^$field=\".+\"" "$WORK/spk/INFO" || fail "INFO has no $field"
done
! grep '\$' "$WORK/spk/INFO" || fail 'INFO has something left to fill in'
for icon in PACKAGE_ICON.PNG:64 PACKAGE_ICON_256.PNG:256; do
	file "$WORK/spk/${icon%:*}" | grep -q "${icon#*:} x ${icon#*:}" || fail "$icon has another size"
done
root=$WORK/dsm
box "$root"
echo 'ebb:x:900:900::/:/bin/sh' >>"$root/etc/passwd"
echo 'ebb:x:900:' >>"$root/etc/group"
mkdir -p "$root/var/packages/ebb/"{target,var,shares,scripts} "$root/volume1/films"
tar -xzf "$WORK/spk/package.tgz" -C "$root/var/packages/ebb/target"
cp "$WORK"/spk/scripts/* "$root/var/packages/ebb/scripts/"
ln -s /volume1/films "$root/var/packages/ebb/shares/films"
chown -R 900:900 "$root/var/packages/ebb" "$root/volume1/films"
syno() {
	local script=$1
	shift
	alone chroot --userspec=ebb:ebb "$root" env PATH=/bin:/sbin SYNOPKG_PKGNAME=ebb SYNOPKG_PKGDEST=/var/packages/ebb/target \
		SYNOPKG_PKGVAR=/var/packages/ebb/var wizard_share=films wizard_lan=true /bin/sh "/var/packages/ebb/scripts/$script" "$@"
}
ebb_in() { chroot "$1" "$2" "${@:3}"; }
syno preinst
syno postinst
syno start-stop-status status && fail 'it runs before it was started' || [ $? -eq 3 ] || fail 'status is not 3'
syno start-stop-status start
syno start-stop-status status || fail 'it does not run'
ebb_in "$root" /var/packages/ebb/target/bin/ebb status -state /var/packages/ebb/var >/dev/null
ebb_in "$root" /var/packages/ebb/target/bin/ebb prefs -state /var/packages/ebb/var background.storage=64MiB >/dev/null
echo mine >"$root/volume1/films/mine.txt"
syno start-stop-status stop
! syno start-stop-status status || fail 'it still runs'
# An upgrade: the new files, and the same state.
for script in preupgrade preuninst postuninst preinst postinst postupgrade; do syno "$script"; done
syno start-stop-status start
grep -q '^storage = "64MiB"' "$root/var/packages/ebb/var/ebb.toml" && grep -q '^address = ":8088"' "$root/var/packages/ebb/var/ebb.toml" ||
	fail 'an upgrade loses preferences'
syno start-stop-status stop
[ -s "$root$(syno start-stop-status log)" ] || fail 'there is no log'
syno preuninst
syno postuninst
[ -e "$root/volume1/films/mine.txt" ] || fail 'a download is gone'
# What cannot be started says why.
echo 'nonsense = 1' >"$root/var/packages/ebb/var/ebb.toml"
syno start-stop-status start 2>"$WORK/why" && fail 'it starts with preferences that it cannot read'
grep -q nonsense "$WORK/why" || fail "it does not say why: $(cat "$WORK/why")"

qpkg=$(package 'ebb_*_x86_64.qpkg')
[ "$(tail -c 10 "$qpkg")" = 'QNAPQPKG  ' ] || fail 'App Center would not take it for a package'
root=$WORK/qts
box "$root"
mkdir -p "$root"/{sbin,etc/config,etc/init.d,etc/rcS.d,etc/rcK.d,home/httpd/RSS/images,share/CACHEDEV1_DATA/Public,dev/pts}
rm -f "$root/usr/sbin/adduser" "$root/bin/adduser"
cat >"$root/sbin/setcfg" <<'EOF'
#!/bin/sh
# setcfg SECTION FIELD VALUE -f FILE
touch "$5"
grep -v "^$1 $2=" "$5" >"$5.new"
echo "$1 $2=$3" >>"$5.new"
mv "$5.new" "$5"
EOF
cat >"$root/sbin/getcfg" <<'EOF'
#!/bin/sh
# getcfg SECTION FIELD [-u] [-d DEFAULT] -f FILE
section=$1 field=$2 default=
shift 2
while [ $# -gt 0 ]; do
	case $1 in
	-u) ;;
	-d) default=$2 && shift ;;
	-f) file=$2 && shift ;;
	esac
	shift
done
value=$(sed -n "s|^$section $field=||p" "$file" 2>/dev/null)
echo "${value:-$default}"
EOF
printf '#!/bin/sh\nfor name; do :; done\necho "$name:x:900:900::/:/bin/false" >>/etc/passwd\n' >"$root/bin/adduser"
printf '#!/bin/sh\nshift 3\nexec start-stop-daemon -S -c 900:900 -x /bin/sh -- "$@"\n' >"$root/bin/sudo"
chmod 755 "$root"/sbin/{set,get}cfg "$root"/bin/{adduser,sudo}
echo 'Public path=/share/CACHEDEV1_DATA/Public' >"$root/etc/config/smb.conf"
cp "$qpkg" "$root/ebb.qpkg"
qts() { alone chroot "$root" env PATH=/bin:/sbin:/usr/bin "$@"; }
install() {
	qts /bin/sh /ebb.qpkg && fail 'the installer does not say that it is done' || [ $? -eq 10 ] || fail "the installer ended with $?"
}
install
data=/share/CACHEDEV1_DATA
qts $data/.qpkg/ebb/ebb.sh status >/dev/null || fail 'it does not run'
[ "$(stat -c %u "$root$data/.ebb/api-token")" = 900 ] || fail 'it does not run as its own user'
ebb_in "$root" $data/.qpkg/ebb/bin/ebb prefs -state $data/.ebb background.storage=64MiB >/dev/null
echo mine >"$root$data/Public/ebb/mine.txt"
install # an upgrade
grep -q '^storage = "64MiB"' "$root$data/.ebb/ebb.toml" || fail 'an upgrade loses preferences'
grep -q '^directory = "/share/CACHEDEV1_DATA/Public/ebb"' "$root$data/.ebb/ebb.toml" || fail 'downloads go elsewhere'
qts $data/.qpkg/ebb/ebb.sh restart
qts $data/.qpkg/ebb/ebb.sh stop
! qts $data/.qpkg/ebb/ebb.sh status || fail 'it still runs'
qts $data/.qpkg/ebb/ebb.sh start
qts /bin/sh $data/.qpkg/ebb/.uninstall.sh
gone "$root$data/.qpkg/ebb" "$root$data/.ebb" "$root/etc/init.d/ebb.sh"
[ -e "$root$data/Public/ebb/mine.txt" ] || fail 'a download is gone'
sed 's/x86_64) ;;/other) ;;/' "$qpkg" >"$root/other.qpkg"
qts /bin/sh /other.qpkg >"$WORK/why" && fail 'it is installed on another CPU' || grep -q 'another CPU' "$WORK/why" || fail "$(cat "$WORK/why")"

for file in "$PACKAGES"/ebb-{truenas,casaos}.yaml "$top/firmware/docker/compose.yaml" "$top/firmware/nas/homeassistant/config.yaml"; do
	python3 -c 'import sys, yaml; yaml.safe_load(open(sys.argv[1]))' "$file" || fail "$file is no YAML"
done
xmllint --noout "$PACKAGES/ebb-unraid.xml"
mkdir "$WORK/ha"
tar -xzf "$PACKAGES/ebb-homeassistant.tar.gz" -C "$WORK/ha"
"$WORK/ha/ebb/ebb-amd64" version
! grep -r '\${VERSION}' "$WORK/ha/ebb/Dockerfile" "$WORK/ha/ebb/config.yaml" || fail 'the add-on has no version'
