#!/bin/sh
# Prints the version of what stands here: that of the tag v1.2.3 if the commit has it; else that of the tag before it
# or, without one, 0.1.0, followed by a pre-release number that counts commits. Without git it is 0.1.0-alpha.
#
# The form is that of semver.org: each kind of package spells a pre-release in its own way, all of them sort it rightly.
set -eu
cd "$(dirname "$0")/.."

if ! commits=$(git rev-list --count HEAD 2>/dev/null); then
	echo 0.1.0-alpha
elif tag=$(git describe --tags --exact-match --match 'v[0-9]*' 2>/dev/null); then
	echo "${tag#v}"
elif tag=$(git describe --tags --abbrev=0 --match 'v[0-9]*' 2>/dev/null); then
	# What follows 1.2.3 is on its way to 1.2.4.
	release=${tag#v}
	release=${release%%-*}
	echo "${release%.*}.$((${release##*.} + 1))-alpha.$commits"
else
	echo "0.1.0-alpha.$commits"
fi
