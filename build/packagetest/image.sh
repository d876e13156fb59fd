#!/usr/bin/env bash
# The images, by podman: loaded, run as they are meant to be (nobody's root, nothing writable but the volume, no
# capabilities, few open files), healthy, stopped by SIGTERM within 5 s, made anew with the same volume. Those for arm64 and
# arm/v7 are run with qemu-user. The network is one that leads nowhere.
. "$(dirname "$0")/lib.sh"
name=ebb-packagetest-$$
pod() { podman --runtime runc "$@"; }
formats=()
cleanup() {
	pod rm -f $name >/dev/null 2>&1 || true
	pod volume rm -f $name >/dev/null 2>&1 || true
	for format in "${formats[@]}"; do
		echo -1 >"/proc/sys/fs/binfmt_misc/$format"
	done
}
trap cleanup EXIT

confined=(--network none --read-only --cap-drop all --security-opt no-new-privileges
	--ulimit nofile=1024:1024 --ulimit nproc=1000:1000 --memory 192m)
begin() { pod run -d --name $name "${confined[@]}" "$@" localhost/ebb:latest >/dev/null; }
healthy() {
	local tries=0
	until pod healthcheck run $name >/dev/null 2>&1; do
		tries=$((tries + 1))
		[ $tries -lt 100 ] || fail "it does not become healthy: $(pod logs $name 2>&1 | tail -n 5)"
		sleep 0.3
	done
}
in_it() { pod exec $name ebb "$@"; }
end() {
	local began=$SECONDS
	pod stop -t 10 $name >/dev/null
	[ $((SECONDS - began)) -le 5 ] || fail 'it takes longer than 5 s to stop'
	[ "$(pod inspect -f '{{.State.ExitCode}}' $name)" = 0 ] || fail "it ended with $(pod inspect -f '{{.State.ExitCode}}' $name)"
	pod rm $name >/dev/null
}
story() {
	pod load -q -i "$PACKAGES/ebb-image-$1.tar" >/dev/null
	pod volume create $name >/dev/null
	begin -v $name:/ebb
	healthy
	in_it version
	in_it prefs background.storage=64MiB >/dev/null
	end
	begin -v $name:/ebb -e TZ=Asia/Tokyo # made anew
	healthy
	in_it prefs | grep -q '^storage = "64MiB"' || fail 'the preferences did not survive'
	# Without a space: Tokyo's clock is nine hours ahead all year.
	pod logs $name 2>&1 | grep -q '+09:00' || fail "it does not know Tokyo's time: $(pod logs $name 2>&1 | tail -n 2)"
	end
	pod volume rm $name >/dev/null
}

# binfmt has a CPU's programs run by qemu, under a name of this test's.
binfmt() {
	local format=$name-$1
	[ -e /proc/sys/fs/binfmt_misc/register ] || mount -t binfmt_misc none /proc/sys/fs/binfmt_misc
	printf ':%s:M::%s:%s:%s:F' "$format" "$2" "$3" "$(command -v "qemu-$1-static")" >/proc/sys/fs/binfmt_misc/register
	formats+=("$format")
}

story amd64
size=$(pod image inspect localhost/ebb:latest | jq '.[0].Size')
[ "$size" -lt 20000000 ] || fail "the image has $size bytes"
[ "$(pod image inspect localhost/ebb:latest | jq -r '.[0].Config.Labels["org.opencontainers.image.title"]')" = ebb ] || fail 'labels are missing'
echo "amd64: $size bytes"

# As another user, with what they own; and where nothing can be written, a line that says so.
mkdir "$WORK/own"
chown 4242:4343 "$WORK/own"
begin --user 4242:4343 -v "$WORK/own:/ebb"
healthy
[ "$(stat -c %u:%g "$WORK/own/api-token")" = 4242:4343 ] || fail 'files are not those of PUID:PGID'
end
mkdir "$WORK/locked"
if pod run --name $name "${confined[@]}" -v "$WORK/locked:/ebb" localhost/ebb:latest >"$WORK/refused" 2>&1; then
	fail 'it runs without a place to write to'
fi
cat "$WORK/refused"
pod rm $name >/dev/null

# The same Dockerfile, by a builder.
pod build -q --platform linux/amd64 --build-arg TARGETARCH=amd64 -f "$top/firmware/docker/Dockerfile" -t localhost/ebb:built "$top" >/dev/null
pod run --rm "${confined[@]}" localhost/ebb:built version

# The machine code after the ELF header's first bytes: class, order, and the machine's number.
binfmt aarch64 '\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00' '\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
binfmt arm '\x7fELF\x01\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x28\x00' '\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
story arm64
story arm-v7

# All of them, in one index.
mkdir "$WORK/layout"
tar -xf "$PACKAGES/ebb-image-all.tar" -C "$WORK/layout"
(cd "$WORK/layout/blobs/sha256" && for blob in *; do echo "$blob  $blob"; done | sha256sum --quiet -c)
index=$(jq -r '.manifests[0].digest' "$WORK/layout/index.json")
jq -r '.manifests[].platform | [.architecture, .variant // empty] | join("/")' "$WORK/layout/blobs/sha256/${index#sha256:}" | paste -sd ' ' |
	grep -qx 'amd64 arm64 arm/v7 arm/v6 riscv64' || fail 'the index does not have five platforms'
