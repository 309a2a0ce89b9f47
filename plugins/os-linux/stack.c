/* SPDX-License-Identifier: MIT */
/* The first stack of a program (System V ABI, "process initialization"): from the stack pointer up, the
 * number of arguments, pointers to them, pointers to the environment, the auxiliary vector, strings. */
#include "linux.h"
#include <elf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/random.h>
#include <unistd.h>

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif
enum { STRINGS_MAX = 6 << 20 };

struct builder {
	struct thread *t;
	uint64_t at; /* strings grow down from here */
	uint64_t low;
	bool full;
};

static uint64_t push(struct builder *b, const void *bytes, size_t len)
{
	if (b->at - b->low < len || copy_out(b->t, b->at - len, bytes, len) != 0) {
		b->full = true;
		return 0;
	}
	return b->at -= len;
}

static void aux(struct os *os, uint64_t key, uint64_t value)
{
	os->auxv[os->auxv_words++] = key;
	os->auxv[os->auxv_words++] = value;
}

static void make_auxv(struct builder *b, const struct stack_words *w)
{
	struct os *os = b->t->os;
	uint8_t random[16];
	if (getrandom(random, sizeof(random), 0) < 0)
		memset(random, 0, sizeof(random));
	uint64_t execfn = push(b, w->execfn, strlen(w->execfn) + 1);
	uint64_t seed = push(b, random, sizeof(random));
	if (os->abi->platform)
		aux(os, AT_PLATFORM, push(b, os->abi->platform, strlen(os->abi->platform) + 1));
	aux(os, AT_SYSINFO_EHDR, os->vdso);
	aux(os, AT_HWCAP, os->abi->hwcap(b->t->cpu, 0));
	aux(os, AT_HWCAP2, os->abi->hwcap(b->t->cpu, 1));
	aux(os, AT_PAGESZ, UINT64_C(1) << os->abi->page_bits);
	aux(os, AT_CLKTCK, (uint64_t)sysconf(_SC_CLK_TCK));
	aux(os, AT_PHDR, w->program->headers);
	aux(os, AT_PHENT, w->program->header_size);
	aux(os, AT_PHNUM, w->program->header_count);
	aux(os, AT_BASE, w->interpreter ? w->interpreter->low : 0);
	aux(os, AT_FLAGS, 0);
	aux(os, AT_ENTRY, w->program->entry);
	aux(os, AT_UID, getuid());
	aux(os, AT_EUID, geteuid());
	aux(os, AT_GID, getgid());
	aux(os, AT_EGID, getegid());
	aux(os, AT_SECURE, getauxval(AT_SECURE));
	aux(os, AT_RANDOM, seed);
	aux(os, AT_MINSIGSTKSZ, os->abi->minimum_stack);
	aux(os, AT_EXECFN, execfn);
	aux(os, AT_NULL, 0);
}

static size_t count(char **list)
{
	size_t n = 0;
	while (list[n])
		n++;
	return n;
}

/* Strings in order of their addresses: the last one first. */
static void push_all(struct builder *b, char **list, uint64_t *out)
{
	for (size_t i = count(list); i-- > 0;)
		out[i] = push(b, list[i], strlen(list[i]) + 1);
}

uint64_t stack_build(struct thread *t, const struct stack_words *w)
{
	struct os *os = t->os;
	struct builder b = { t, os->stack_top - 8, os->stack_top - STRINGS_MAX, false };
	size_t argc = count(w->argv), envc = count(w->envp);
	uint64_t *words = calloc(argc + envc + 3 + 2 * AUXV_MAX, sizeof(*words)), *at = words;
	if (!words)
		return 0;
	*at++ = argc;
	push_all(&b, w->envp, at + argc + 1);
	os->argv_end = b.at;
	push_all(&b, w->argv, at);
	os->argv_low = b.at;
	at += argc + 1 + envc + 1;
	make_auxv(&b, w);
	memcpy(at, os->auxv, os->auxv_words * sizeof(*at));
	at += os->auxv_words;
	size_t number = (size_t)(at - words), bytes = number * os->layout->word;
	uint8_t *out = malloc(bytes);
	if (out)
		words_store(os, out, words, number);
	b.at = (b.at - bytes) & ~(uint64_t)(os->abi->stack_align - 1);
	if (!out || b.at < b.low || copy_out(t, b.at, out, bytes) != 0)
		b.full = true;
	free(out);
	free(words);
	return b.full ? 0 : b.at;
}
