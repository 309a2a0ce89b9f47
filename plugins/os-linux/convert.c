/* SPDX-License-Identifier: MIT */
/* Structs that are not the same for guest and host, or hold pointers: by their descriptions, which
 * layout64.c and layout32.c have. */
#include "linux.h"
#include <errno.h>
#include <signal.h>
#include <string.h>

static bool is_big(const struct os *os)
{
	return os->layout->elf_data == BP_LINUX_BIG;
}

static const struct description *describe(const struct os *os, enum structure which)
{
	return &os->layout->descriptions[which];
}

size_t struct_size(const struct os *os, enum structure which)
{
	return describe(os, which)->guest_size;
}

/* ---- by description ---- */

static uint64_t load(const uint8_t *at, unsigned size, bool big)
{
	uint64_t value = 0;
	for (unsigned i = 0; i < size; i++)
		value |= (uint64_t)at[big ? size - 1 - i : i] << 8 * i;
	return value;
}

static void store(uint8_t *at, unsigned size, bool big, uint64_t value)
{
	for (unsigned i = 0; i < size; i++)
		at[big ? size - 1 - i : i] = (uint8_t)(value >> 8 * i);
}

static uint64_t extend(uint64_t value, unsigned size, unsigned kind)
{
	unsigned shift = 64 - 8 * size;
	return kind == MEMBER_SIGNED ? (uint64_t)((int64_t)(value << shift) >> shift) : value;
}

void members_load(const struct description *d, bool big, void *host, const uint8_t *guest)
{
	memset(host, 0, d->host_size);
	for (const struct member *m = d->member; m->host_size; m++) {
		if (m->kind == MEMBER_BYTES) {
			memcpy((uint8_t *)host + m->host, guest + m->guest, m->guest_size);
			continue;
		}
		uint64_t value =
			extend(load(guest + m->guest, m->guest_size, big), m->guest_size, m->kind);
		memcpy((uint8_t *)host + m->host, &value, m->host_size);
	}
}

void members_store(const struct description *d, bool big, uint8_t *guest, const void *host)
{
	memset(guest, 0, d->guest_size);
	for (const struct member *m = d->member; m->host_size; m++) {
		uint64_t value = 0;
		if (m->kind == MEMBER_BYTES) {
			memcpy(guest + m->guest, (const uint8_t *)host + m->host, m->guest_size);
			continue;
		}
		memcpy(&value, (const uint8_t *)host + m->host, m->host_size);
		store(guest + m->guest, m->guest_size, big, extend(value, m->host_size, m->kind));
	}
}

void struct_load(const struct os *os, enum structure which, void *host, const uint8_t *guest)
{
	members_load(describe(os, which), is_big(os), host, guest);
}

void struct_store(const struct os *os, enum structure which, uint8_t *guest, const void *host)
{
	members_store(describe(os, which), is_big(os), guest, host);
}

int struct_in(const struct thread *t, enum structure which, void *host, uint64_t addr)
{
	const struct description *d = describe(t->os, which);
	uint8_t guest[STRUCT_MAX];
	if (copy_in(t, guest, addr, d->guest_size) != 0)
		return -EFAULT;
	struct_load(t->os, which, host, guest);
	for (const struct member *m = d->member; m->host_size; m++) {
		uint64_t value;
		if (m->kind != MEMBER_POINTER)
			continue;
		memcpy(&value, (uint8_t *)host + m->host, sizeof(value));
		value = (uint64_t)(uintptr_t)host_ptr(t, value);
		memcpy((uint8_t *)host + m->host, &value, sizeof(value));
	}
	return 0;
}

int struct_out(const struct thread *t, enum structure which, uint64_t addr, const void *host)
{
	uint8_t guest[STRUCT_MAX];
	struct_store(t->os, which, guest, host);
	return copy_out(t, addr, guest, struct_size(t->os, which)) == 0 ? 0 : -EFAULT;
}

int words_copy_in(const struct thread *t, uint64_t *words, size_t count, uint64_t addr)
{
	unsigned size = t->os->layout->word;
	for (size_t i = 0; i < count; i++) {
		uint8_t bytes[8];
		if (copy_in(t, bytes, addr + i * size, size) != 0)
			return -EFAULT;
		words[i] = load(bytes, size, is_big(t->os));
	}
	return 0;
}

void words_store(const struct os *os, uint8_t *guest, const uint64_t *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		store(guest + i * os->layout->word, os->layout->word, is_big(os), words[i]);
}

/* ---- siginfo_t: what its union holds follows from signal and code (sigaction(2)) ---- */

static enum structure info_kind(int signal, int code)
{
	if (code <= 0)
		return code == SI_TIMER                       ? S_INFO_TIMER
			: code == SI_USER || code == SI_TKILL ? S_INFO_KILL
			: code == SI_SIGIO                    ? S_INFO_POLL
							      : S_INFO_VALUE;
	switch (signal) {
	case SIGCHLD: return S_INFO_CHILD;
	case SIGSYS: return S_INFO_CALL;
	case SIGIO: return S_INFO_POLL;
	case SIGSEGV:
	case SIGBUS:
	case SIGILL:
	case SIGFPE:
	case SIGTRAP: return code == SI_KERNEL ? S_INFO_KILL : S_INFO_FAULT;
	default: return S_INFO_KILL;
	}
}

void info_store(const struct os *os, uint8_t guest[INFO_BYTES], const siginfo_t *info)
{
	struct_store(os, info_kind(info->si_signo, info->si_code), guest, info);
}

void info_load(const struct os *os, siginfo_t *info, const uint8_t guest[INFO_BYTES])
{
	struct_load(os, S_INFO_KILL, info, guest);
	struct_load(os, info_kind(info->si_signo, info->si_code), info, guest);
}
