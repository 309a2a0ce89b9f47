# SPDX-License-Identifier: MIT
# What the scripts share. Sourced by bash; the working folder becomes the project's root.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export LC_ALL=C.UTF-8

say() { echo "--- $*"; }
die() { echo "$(basename "$0"): $*" >&2; exit 1; }

# Runs a command as root: packages are all that needs it.
as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo -- "$@"
	else
		die "installing packages needs root, and there is no sudo here; run as root: $*"
	fi
}

# build_folder DIR CC [MESON-OPTION...]: configures it the first time, then builds.
build_folder() {
	local dir=$1 cc=$2
	shift 2
	[ -f "$dir/build.ninja" ] || CC=$cc meson setup "$dir" "$@"
	ninja -C "$dir"
}
