/* SPDX-License-Identifier: MIT */
/* The guest address space of a process that runs a program, and its CPUs.
 *
 * Native code accesses memory without asking. Where the host's page tables refuse, its signal arrives in
 * user_host_fault: in native code the slow way of that access goes on, which looks again in C; in C,
 * run() itself is left, with the guest's state as of the instruction that faulted. */
#include "user.h"
#include "internal.h"
#include "jit/cache.h"
#include <errno.h>
#include <glib.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

enum {
	PAGE_BITS = 12,
	PAGE = 1 << PAGE_BITS,
	PAGE_HAS_CODE = 0x80, /* beside enum bp_user_page */
	RUN_BUDGET = 1 << 30
};
#define BASE_ALIGN (UINT64_C(1) << 30) /* what is large to the guest is to the host */
#define GUARD                                                                                      \
	(UINT64_C(4) << 30) /* behind the space: no length that the host takes reaches beyond */

static struct {
	uint8_t *base;
	uint64_t size;
	unsigned ignored_bits; /* of native code's addresses */
	_Atomic(uint8_t) *page; /* flags of each */
	struct bus_ram ram; /* identity of the space for blocks of code */
	pthread_mutex_t lock;
	GArray *volatile_pages; /* uint64_t: with code, and the guest may write to them */
} space = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* Read by whoever runs or makes a CPU, written around a fork: the new process has this thread alone, and
 * locks of libraries that others were holding would stay locked. */
static pthread_rwlock_t world = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;
static struct vcpu *cpus; /* under space.lock */

static __thread sigjmp_buf *guard; /* where a fault of C code goes; NULL: nowhere */
static __thread int caught_signal;
static __thread uint64_t caught_addr;

/* ---- the address space ---- */

static void *reserve(uint64_t size)
{
	return mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

uint8_t *user_space(unsigned address_bits, int confine, bp_error *err)
{
	uint64_t size = UINT64_C(1) << address_bits, pages = size >> PAGE_BITS;
	/* In front there is always something, so that small negative addresses are nobody's. */
	uint8_t *at = reserve(2 * BASE_ALIGN + size + GUARD);
	void *page = at == MAP_FAILED ? MAP_FAILED
				      : mmap(NULL, pages, PROT_READ | PROT_WRITE,
						MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (page == MAP_FAILED) {
		object_fail(err,
			"the host does not let 0x%" G_GINT64_MODIFIER
			"x bytes of addresses be reserved: %s; look at `ulimit -v`",
			size, g_strerror(errno));
		return NULL;
	}
	uintptr_t start = ((uintptr_t)at + 2 * BASE_ALIGN - 1) & ~(uintptr_t)(BASE_ALIGN - 1);
	space.base = (uint8_t *)start;
	space.size = size;
	space.ignored_bits = confine ? 64 - address_bits : 0;
	space.page = page;
	space.ram = (struct bus_ram){ .host = space.base,
		.size = size,
		.fd = -1,
		.conditionals = g_new0(_Atomic(uint32_t), BUS_CONDITIONAL_GROUPS),
		.name = "user" };
	space.volatile_pages = g_array_new(FALSE, FALSE, sizeof(uint64_t));
	return space.base;
}

static void forget_code(uint64_t page)
{
	atomic_fetch_and(&space.page[page], (uint8_t)~PAGE_HAS_CODE);
	code_cache_invalidate(&space.ram, page << PAGE_BITS, PAGE);
}

/* Eight pages' flags at once, for mappings of many gigabytes. */
enum { GROUP = 8 };
#define EACH UINT64_C(0x0101010101010101)

static _Atomic(uint64_t) *group_of(uint64_t page)
{
	return (_Atomic(uint64_t) *)(void *)&space.page[page];
}

static void set_page(uint64_t page, unsigned what)
{
	uint8_t was = atomic_exchange(&space.page[page], (uint8_t)what);
	if (was & PAGE_HAS_CODE)
		forget_code(page);
}

void user_pages(uint64_t addr, uint64_t len, unsigned what)
{
	uint64_t p = addr >> PAGE_BITS, end = (addr + len + PAGE - 1) >> PAGE_BITS;
	for (; p < end && p % GROUP; p++)
		set_page(p, what);
	for (; end - p >= GROUP && p < end; p += GROUP) {
		if (atomic_load(group_of(p)) == EACH * what)
			continue;
		uint64_t was = atomic_exchange(group_of(p), EACH * what);
		for (unsigned i = 0; was & EACH * PAGE_HAS_CODE && i < GROUP; i++)
			if (was >> 8 * i & PAGE_HAS_CODE)
				forget_code(p + i);
	}
	for (; p < end; p++)
		set_page(p, what);
}

unsigned user_page(uint64_t addr)
{
	return addr < space.size ? atomic_load(&space.page[addr >> PAGE_BITS]) & ~PAGE_HAS_CODE
				 : 0u;
}

uint64_t user_find_free(uint64_t least, uint64_t below, uint64_t len, uint64_t align)
{
	if (len > below || below > space.size)
		return 0;
	uint64_t at = (below - len) & ~(align - 1);
	while (at >= least) {
		uint64_t end = (at + len) >> PAGE_BITS, p = end;
		while (p > at >> PAGE_BITS) {
			if (p % GROUP == 0 && p - GROUP >= at >> PAGE_BITS &&
				!atomic_load(group_of(p - GROUP)))
				p -= GROUP;
			else if (!atomic_load(&space.page[p - 1]))
				p--;
			else
				break;
		}
		if (p == at >> PAGE_BITS)
			return at;
		/* page p - 1 is taken: end below it */
		if ((p - 1) << PAGE_BITS < len)
			return 0;
		at = (((p - 1) << PAGE_BITS) - len) & ~(align - 1);
	}
	return 0;
}

/* ---- code ---- */

void user_code_changed(uint64_t addr, uint64_t len)
{
	if (addr >= space.size)
		return;
	uint64_t last = addr + MIN(len, space.size - addr);
	for (uint64_t p = addr >> PAGE_BITS; p << PAGE_BITS < last; p++)
		if (atomic_load(&space.page[p]) & PAGE_HAS_CODE)
			forget_code(p);
}

void user_code_sync(void)
{
	pthread_mutex_lock(&space.lock);
	GArray *pages = space.volatile_pages;
	space.volatile_pages = g_array_new(FALSE, FALSE, sizeof(uint64_t));
	pthread_mutex_unlock(&space.lock);
	for (guint i = 0; i < pages->len; i++)
		forget_code(g_array_index(pages, uint64_t, i));
	g_array_unref(pages);
}

static void mark(uint64_t addr)
{
	uint64_t p = addr >> PAGE_BITS;
	uint8_t was = atomic_fetch_or(&space.page[p], PAGE_HAS_CODE);
	if (was & PAGE_HAS_CODE || !(was & (BP_USER_WRITE | BP_USER_SHARED)))
		return;
	pthread_mutex_lock(&space.lock);
	g_array_append_val(space.volatile_pages, p);
	pthread_mutex_unlock(&space.lock);
}

int user_fetch(struct vcpu *v, uint64_t pc, struct jit_code *out)
{
	unsigned regime = 0;
	struct place p = { 0 };
	if (user_lookup(v, regime, pc, BP_ACC_EXEC, BP_ACC_EXEC, &p) != BP_H_OK)
		return BP_H_RAISED;
	mark(pc);
	/* A copy: others may change or unmap the page meanwhile. Two pages are in use at most. */
	uint8_t *copy = v->user_code + (pc >> PAGE_BITS & 1) * PAGE + (pc & (PAGE - 1));
	memcpy(copy, p.host, p.length);
	*out = (struct jit_code){
		.ram = &space.ram, .offset = pc, .bytes = copy, .avail = (uint32_t)p.length
	};
	return BP_H_OK;
}

/* ---- accesses by C ---- */

int user_lookup(struct vcpu *v, unsigned regime, uint64_t addr, unsigned want, unsigned as,
	struct place *out)
{
	static const uint8_t needs[] = { [BP_ACC_READ] = BP_USER_READ,
		[BP_ACC_WRITE] = BP_USER_WRITE,
		[BP_ACC_EXEC] = BP_USER_EXEC };
	unsigned may = user_page(addr);
	if (!(may & needs[want]))
		return access_fault(v, BP_FAULT_WALK, as, regime, addr, 0);
	*out = (struct place){ .host = space.base + addr,
		.ram = &space.ram,
		.offset = addr,
		.phys = addr,
		.length = page_left(v, addr),
		.writable = may & BP_USER_WRITE };
	return BP_H_OK;
}

static bool inside(uint64_t addr, size_t len)
{
	return addr < space.size && len <= space.size - addr;
}

static int guarded_copy(void *to, const void *from, size_t len)
{
	sigjmp_buf buf, *volatile before = guard;
	if (sigsetjmp(buf, 0)) {
		guard = before;
		return -1;
	}
	guard = &buf;
	atomic_signal_fence(memory_order_seq_cst);
	memcpy(to, from, len);
	atomic_signal_fence(memory_order_seq_cst);
	guard = before;
	return 0;
}

int user_copy_in(void *to, uint64_t addr, size_t len)
{
	return inside(addr, len) ? guarded_copy(to, space.base + addr, len) : -1;
}

int user_copy_out(uint64_t addr, const void *from, size_t len)
{
	return inside(addr, len) ? guarded_copy(space.base + addr, from, len) : -1;
}

int user_cas32(uint64_t addr, uint32_t *seen, uint32_t from, uint32_t to)
{
	sigjmp_buf buf, *volatile before = guard;
	if (!inside(addr, 4) || addr & 3)
		return -1;
	if (sigsetjmp(buf, 0)) {
		guard = before;
		return -1;
	}
	guard = &buf;
	atomic_signal_fence(memory_order_seq_cst);
	*seen = from;
	__atomic_compare_exchange_n((uint32_t *)(void *)(space.base + addr), seen, to, false,
		__ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	atomic_signal_fence(memory_order_seq_cst);
	guard = before;
	return 0;
}

int user_host_fault(int signal, void *info, void *context)
{
	uintptr_t addr = (uintptr_t)((siginfo_t *)info)->si_addr;
	if (native_fault(context))
		return 1;
	if (!guard || !space.base || addr - (uintptr_t)space.base >= space.size + GUARD)
		return 0;
	caught_signal = signal;
	caught_addr = addr - (uintptr_t)space.base;
	siglongjmp(*guard, 1);
}

/* ---- running ---- */

void user_init(struct vcpu *v)
{
	pthread_mutex_lock(&space.lock);
	v->user_next = cpus;
	v->user_prev = &cpus;
	if (v->user_next)
		v->user_next->user_prev = &v->user_next;
	cpus = v;
	pthread_mutex_unlock(&space.lock);
	v->user_code = g_malloc(2 * (size_t)PAGE);
	v->jit.flat = space.base;
	v->jit.flat_ignored = space.ignored_bits;
}

void user_finish(struct vcpu *v)
{
	if (!v->user)
		return;
	pthread_mutex_lock(&space.lock);
	*v->user_prev = v->user_next;
	if (v->user_next)
		v->user_next->user_prev = v->user_prev;
	pthread_mutex_unlock(&space.lock);
	g_free(v->user_code);
}

void user_raised(struct vcpu *v)
{
	v->user_raised = true;
	atomic_store(&v->jit.kick, 1);
}

void user_enter(void *cpu)
{
	(void)cpu;
	guard = NULL;
	native_flat(space.base);
}

static void report(const struct vcpu *v, struct bp_user_exit *out)
{
	if (v->is_fault) {
		out->why = BP_USER_FAULT;
		out->fault = v->fault;
	} else {
		out->why = BP_USER_EXCEPTION;
		out->cause = v->cause;
		out->value = v->value;
	}
}

/* 0: go on. */
static unsigned run_once(struct vcpu *v)
{
	atomic_store(&v->jit.kick, 0);
	if (atomic_exchange(&v->stop, false))
		return BP_USER_KICKED;
	return v->engine->run(v->engine_cpu, RUN_BUDGET) == BP_EXIT_ERROR ? BP_USER_ERROR : 0;
}

void user_run(void *cpu, struct bp_user_exit *out)
{
	struct vcpu *v = vcpu_of(cpu);
	sigjmp_buf buf;
	*out = (struct bp_user_exit){ .size = sizeof(*out) };
	v->user_raised = false;
	pthread_rwlock_rdlock(&world);
	if (sigsetjmp(buf, 0)) {
		guard = NULL;
		pthread_rwlock_unlock(&world);
		jit_recover(&v->jit);
		if (v->turn_held) /* the store of a store-conditional was refused */
			atomic_fetch_sub(v->turn_held, 1);
		v->turn_held = NULL;
		access_fault(v, BP_FAULT_BUS, BP_ACC_READ, 0, caught_addr, 0);
		report(v, out);
		out->signal = (uint32_t)caught_signal;
		return;
	}
	guard = &buf;
	while (!out->why && !v->user_raised)
		out->why = run_once(v);
	guard = NULL;
	pthread_rwlock_unlock(&world);
	if (v->user_raised)
		report(v, out);
}

void user_kick(void *cpu)
{
	struct vcpu *v = vcpu_of(cpu);
	atomic_store(&v->stop, true);
	atomic_store(&v->jit.kick, 1);
}

void user_making(bool begin)
{
	if (begin)
		pthread_rwlock_rdlock(&world);
	else
		pthread_rwlock_unlock(&world);
}

static void kick_all(void)
{
	pthread_mutex_lock(&space.lock);
	for (struct vcpu *v = cpus; v; v = v->user_next)
		user_kick(v->cpu);
	pthread_mutex_unlock(&space.lock);
}

void user_fork(unsigned what, void *cpu)
{
	if (what == BP_USER_FORK_BEGIN) {
		/* Others stand between two runs: a kick in the middle of one can be lost to another. */
		while (pthread_rwlock_trywrlock(&world) != 0) {
			kick_all();
			sched_yield();
		}
		pthread_mutex_lock(&space.lock);
	}
	code_cache_fork(what == BP_USER_FORK_BEGIN);
	if (what == BP_USER_FORK_BEGIN)
		return;
	pthread_mutex_unlock(&space.lock);
	if (what == BP_USER_FORK_CHILD) {
		static const pthread_rwlock_t fresh =
			PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;
		world = fresh;
		code_cache_alone(&vcpu_of(cpu)->jit);
	} else {
		pthread_rwlock_unlock(&world);
	}
}
