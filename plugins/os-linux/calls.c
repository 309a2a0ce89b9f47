/* SPDX-License-Identifier: MIT */
/* What all system calls have in common. */
#include "linux.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- a call that a signal interrupts, or keeps from starting ----
 *
 * Between the look at `pending` and the kernel's entry a signal would be missed: the handler, when it
 * finds the thread between os_call_begin and os_call_end, sends it to os_call_never. There the kernel
 * also points a call that it wants done again. */

extern const char os_call_begin[], os_call_end[], os_call_never[];
long os_call(const _Atomic(uint32_t) *pending, long number, const int64_t args[6]);

#if defined(__x86_64__)
__asm__(".text\n"
	".globl os_call, os_call_begin, os_call_end, os_call_never\n"
	".hidden os_call, os_call_begin, os_call_end, os_call_never\n"
	".type os_call, @function\n"
	"os_call:\n"
	"	push %rbx\n"
	"	mov %rdi, %rbx\n"
	"	mov %rsi, %rax\n"
	"	mov %rdx, %rcx\n"
	"	mov (%rcx), %rdi\n"
	"	mov 8(%rcx), %rsi\n"
	"	mov 16(%rcx), %rdx\n"
	"	mov 24(%rcx), %r10\n"
	"	mov 32(%rcx), %r8\n"
	"	mov 40(%rcx), %r9\n"
	"os_call_begin:\n"
	"	cmpl $0, (%rbx)\n"
	"	jne os_call_never\n"
	"	syscall\n"
	"os_call_end:\n"
	"	pop %rbx\n"
	"	ret\n"
	"os_call_never:\n"
	"	mov $-512, %rax\n"
	"	pop %rbx\n"
	"	ret\n"
	".size os_call, . - os_call\n");
#elif defined(__aarch64__)
__asm__(".text\n"
	".globl os_call, os_call_begin, os_call_end, os_call_never\n"
	".hidden os_call, os_call_begin, os_call_end, os_call_never\n"
	".type os_call, %function\n"
	"os_call:\n"
	"	mov x9, x0\n"
	"	mov x8, x1\n"
	"	mov x10, x2\n"
	"	ldp x0, x1, [x10]\n"
	"	ldp x2, x3, [x10, 16]\n"
	"	ldp x4, x5, [x10, 32]\n"
	"os_call_begin:\n"
	"	ldr w11, [x9]\n"
	"	cbnz w11, os_call_never\n"
	"	svc 0\n"
	"os_call_end:\n"
	"	ret\n"
	"os_call_never:\n"
	"	mov x0, -512\n"
	"	ret\n"
	".size os_call, . - os_call\n");
#else
#error "os_call is written for x86-64 and AArch64 hosts"
#endif

int64_t safe_call(struct thread *t, long number, const int64_t args[6])
{
	return os_call(&t->pending, number, args);
}

/* ---- the table ---- */

static const struct call *find_in(const struct calls *c, uint64_t number)
{
	unsigned low = 0, high = c->count;
	while (low < high) {
		unsigned middle = (low + high) / 2;
		if (c->row[middle].number < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low < c->count && c->row[low].number == number ? &c->row[low] : NULL;
}

const struct call *call_find(const struct os *os, uint64_t number)
{
	const struct call *row = NULL;
	for (const struct calls *c = os->layout->table; c && !row; c = c->others)
		row = find_in(c, number);
	return row && row->name ? row : NULL;
}

/* ---- arguments ---- */

enum way { IN = 1, OUT = 2 };
/* By an argument's letter, '0' being the first. */
static const struct {
	uint8_t which, way; /* enum structure, enum way; 0: no letter */
} call_structs[] = {
	['0' - '0'] = { S_TIMESPEC, IN },
	['1' - '0'] = { S_TIMESPEC, OUT },
	['2' - '0'] = { S_TIMESPEC, IN | OUT },
	['3' - '0'] = { S_TIMESPEC_PAIR, IN },
	['4' - '0'] = { S_ITIMERSPEC, IN },
	['5' - '0'] = { S_ITIMERSPEC, OUT },
	['6' - '0'] = { S_ITIMERVAL, IN },
	['7' - '0'] = { S_ITIMERVAL, OUT },
	['8' - '0'] = { S_SIGEVENT, IN },
	['9' - '0'] = { S_MQ_ATTR, IN },
	['A' - '0'] = { S_MQ_ATTR, OUT },
	['B' - '0'] = { S_RUSAGE, OUT },
	['C' - '0'] = { S_TMS, OUT },
};

static int find_struct(char letter)
{
	unsigned i = (unsigned)(letter - '0');
	return i < sizeof(call_structs) / sizeof(call_structs[0]) && call_structs[i].way ? (int)i
											 : -1;
}

/* What a guest of 32 bits has in registers, as one of 64 bits would: 64-bit numbers in one piece. */
static void widen(const struct call *row, uint64_t args[6])
{
	uint64_t half[6];
	unsigned from = 0;
	memcpy(half, args, sizeof(half));
	for (unsigned i = 0; i < 6; i++) {
		char letter = i < strlen(row->args) ? row->args[i] : 'x';
		args[i] = 0;
		if (letter == '-' || from >= 6)
			continue;
		args[i] = (uint32_t)half[from++];
		if (letter == 'q' && from < 6)
			args[i] |= half[from++] << 32;
		else if (strchr("dfa", letter))
			args[i] = (uint64_t)(int32_t)args[i];
	}
}

long string_in(const struct thread *t, char *to, uint64_t addr, size_t size)
{
	for (size_t done = 0; done < size;) {
		size_t n = PAGE - ((addr + done) & (PAGE - 1));
		if (n > size - done)
			n = size - done;
		if (copy_in(t, to + done, addr + done, n) != 0)
			return -EFAULT;
		const char *end = memchr(to + done, 0, n);
		if (end)
			return end - to;
		done += n;
	}
	return -ENAMETOOLONG;
}

/* Structs of one call, which the kernel has as the host's. */
struct structs {
	struct {
		const uint64_t *addr;
		int row; /* of call_structs */
		uint64_t before[STRUCT_MAX / 8], bytes[STRUCT_MAX / 8];
	} of[3];
	unsigned count;
};

/* The kernel need not write a struct: what it is going to be is what it was. */
static int64_t take_struct(struct thread *t, struct structs *all, const uint64_t *addr, int row)
{
	unsigned i = all->count++;
	all->of[i].addr = addr;
	all->of[i].row = row;
	memset(all->of[i].bytes, 0, sizeof(all->of[i].bytes));
	if (struct_in(t, call_structs[row].which, all->of[i].bytes, *addr) != 0)
		return -EFAULT;
	memcpy(all->of[i].before, all->of[i].bytes, sizeof(all->of[i].before));
	return HOST(all->of[i].bytes);
}

static int64_t give_structs(struct thread *t, const struct structs *all, int64_t result)
{
	if (result < 0 && result != -EINTR)
		return result;
	for (unsigned i = 0; i < all->count; i++)
		if (call_structs[all->of[i].row].way & OUT &&
			memcmp(all->of[i].before, all->of[i].bytes, STRUCT_MAX) &&
			struct_out(t, call_structs[all->of[i].row].which, *all->of[i].addr,
				all->of[i].bytes) != 0)
			return -EFAULT;
	return result;
}

int64_t call_host(struct thread *t, const struct call *row, const uint64_t args[6])
{
	char path[2][PATH_SIZE], found[2][2 * PATH_SIZE];
	struct structs structs;
	unsigned paths = 0;
	int64_t host[6] = { 0 };
	structs.count = 0;
	for (unsigned i = 0; i < 6 && row->args[i]; i++) {
		int what = find_struct(row->args[i]);
		host[i] = (int64_t)args[i];
		if (row->args[i] == 'P' && args[i] && paths < 2) {
			long n = string_in(t, path[paths], args[i], PATH_SIZE);
			if (n < 0)
				return n;
			host[i] = HOST(path_find(t->os, path[paths], found[paths]));
			paths++;
		} else if (what >= 0 && args[i] && structs.count < 3) {
			host[i] = take_struct(t, &structs, &args[i], what);
			if (host[i] == -EFAULT)
				return -EFAULT;
		} else if (what >= 0 || strchr("psbP", row->args[i])) {
			host[i] = HOST(host_ptr(t, args[i]));
		}
	}
	int64_t r = safe_call(t, row->host, host);
	return structs.count ? give_structs(t, &structs, r) : r;
}

/* ---- calls that one CPU alone has ---- */

enum { ROWS_BYTES = 1 << 16 };

static int64_t own_answer(struct thread *t, const struct bp_linux_call *c, const uint64_t args[6])
{
	uint8_t rows[ROWS_BYTES];
	if (args[1] > ROWS_BYTES / c->bytes)
		return -EINVAL;
	size_t bytes = args[1] * c->bytes;
	if (copy_in(t, rows, args[0], bytes) != 0)
		return -EFAULT;
	int64_t r = c->answer(t->cpu, rows, args);
	return r >= 0 && copy_out(t, args[0], rows, bytes) != 0 ? -EFAULT : r;
}

static int64_t own_call(struct thread *t, const struct bp_linux_call *c, const uint64_t args[6])
{
	if (c->kind == BP_LINUX_OWN_ANSWER)
		return own_answer(t, c, args);
	if (args[1] > args[0])
		t->os->user->code_changed(args[0], args[1] - args[0]);
	return 0;
}

static const struct bp_linux_call *own_find(const struct os *os, uint64_t number)
{
	const struct bp_linux_call *c = os->abi->own_calls;
	while (c && c->name && c->number != number)
		c++;
	return c && c->name ? c : NULL;
}

/* ---- one call ---- */

static int64_t unknown(const struct thread *t, uint64_t number, const struct call *row)
{
	static _Atomic(uint64_t) said[8]; /* once each, for the first 512 */
	uint64_t bit = UINT64_C(1) << number % 64;
	if (number >= 512 || !(atomic_fetch_or(&said[number / 64], bit) & bit))
		t->os->host->log(NULL, BP_LOG_DEBUG, "system call %u (%s) is not there: ENOSYS",
			(unsigned)number, row ? row->name : "unknown");
	if (!row && (number >= 512 || number < 424))
		t->os->host->log(
			NULL, BP_LOG_GUEST, "system call %u is unknown: ENOSYS", (unsigned)number);
	return -ENOSYS;
}

void call_enter(struct thread *t)
{
	struct os *os = t->os;
	uint64_t number, args[6];
	os->abi->call_get(t->cpu, &number, args);
	const struct call *row = call_find(os, number);
	const struct bp_linux_call *own = row ? NULL : own_find(os, number);
	int64_t result;
	t->no_result = false;
	if (row && os->layout->word == 4)
		widen(row, args);
	if (os->trace)
		trace_enter(t, row, number, args);
	if (row && row->fn)
		result = row->fn(t, args);
	else if (row && row->host >= 0)
		result = call_host(t, row, args);
	else if (own)
		result = own_call(t, own, args);
	else
		result = unknown(t, number, row);
	if (os->trace)
		trace_leave(t, row, number, args, result);
	if (result != -RESTART && !t->no_result)
		os->abi->call_done(t->cpu, result);
	if (t->rseq)
		rseq_refresh(t);
}
