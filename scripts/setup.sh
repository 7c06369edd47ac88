#!/bin/sh
# Installs, by apt, what is missing of the programs given as PROGRAM=PACKAGE,PACKAGE...
# It says what before it does.
set -eu

missing=
for need in "$@"; do
	command -v "${need%%=*}" >/dev/null || missing="$missing $(echo "${need#*=}" | tr , ' ')"
done
[ -n "$missing" ] || exit 0

root=
if [ "$(id -u)" != 0 ]; then
	command -v sudo >/dev/null || {
		echo "setup: missing:$missing; as root: apt-get install --no-install-recommends$missing" >&2
		exit 1
	}
	root=sudo
fi
echo "setup: installing with apt:$missing"
$root apt-get update -q || true # what matters is whether the next line works
# shellcheck disable=SC2086
$root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing
