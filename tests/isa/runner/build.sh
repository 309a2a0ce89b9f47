#!/bin/sh
# SPDX-License-Identifier: MIT
# Builds the four runners into the folder $1.
set -e
here=$(cd "$(dirname "$0")" && pwd)
out=$1
cc=${RISCV_CC:-riscv64-linux-gnu-gcc}
flags="-O2 -g -Wall -Wextra -Werror -ffreestanding -fno-pic -fno-stack-protector -nostdlib -static
-mno-relax -fno-tree-loop-distribute-patterns -Wl,--build-id=none -Wl,--no-warn-rwx-segments"
mkdir -p "$out"
for xlen in 64 32; do
	abi=lp64
	[ $xlen = 32 ] && abi=ilp32
	# Only the base ISA: what is under test may be switched off.
	arch="-march=rv${xlen}i_zicsr -mabi=$abi -mcmodel=medany"
	$cc $flags $arch -Wl,-Ttext-segment=0x70000000 -o "$out/runner-user$xlen" \
		"$here/user.c" "$here/common.c" "$here/runner.S"
	$cc $flags $arch -T "$here/bare.ld" -o "$out/runner-bare$xlen.elf" \
		"$here/bare.S" "$here/bare.c" "$here/common.c" "$here/runner.S"
done
