/* SPDX-License-Identifier: MIT */
/* Shared by the files of cpu/ alone. */
#ifndef CPU_INTERNAL_H
#define CPU_INTERNAL_H
#include "vcpu.h"

enum {
	TLB_LEAST = 256, /* entries of a table */
	TLB_MOST = 16384,
	TLB_SLOTS = 16, /* address spaces whose translations are kept */
	BLOOM_WORDS = 64, /* pages that were executed from, per slot: 4096 bits */
	STALE_STORES = 16, /* stores beside translated code before the page is freed of it */
	MAX_STOPS = 64, /* breakpoints, and watchpoints */
	POLLS = 1000, /* so many halts in vain, less than POLL_INSNS apart, are polling */
	POLL_INSNS = 200
};

/* In a write tag beside TLB_SLOW: not RAM proper, stores go over the bus. */
#define TLB_NOT_RAM UINT64_C(0x80)

/* What stands behind a TLB entry, for the slow way: a table of these follows the table of entries. */
struct tlb_back {
	uint64_t phys; /* the page's physical address */
	void *target; /* RAM: struct bus_ram; else the struct bus_space */
	/* A device at the page's start: its region, the page's offset in it, and how many bytes of
	 * the page it answers for; else NULL. */
	struct bus_region *region;
	uint64_t offset, span;
};

struct tlb_slot { /* one address space of this CPU */
	uint64_t id;
	uint64_t epoch; /* never used before: what the jump cache compares */
	uint64_t used; /* for replacement */
	uint64_t large_base, large_end; /* virtual range that mappings beyond a page cover */
	uint64_t bloom[BLOOM_WORDS];
	struct tlb_entry *table[TLB_REGIMES]; /* NULL: nothing filled yet */
	uint32_t size[TLB_REGIMES]; /* its entries */
	uint32_t fills[TLB_REGIMES]; /* since the last flush or change of size */
	bool dirty[TLB_REGIMES]; /* filled since the last flush */
	bool valid;
};

struct vcpu {
	struct jit_cpu jit; /* first: head->core points here */
	struct object *object;
	const struct bp_cpu *type;
	void *cpu; /* the plugin's instance */
	struct bus_space *memory;
	struct sched_cpu *thread;
	const struct bp_engine *engine;
	void *engine_cpu;

	struct tlb_slot slots[TLB_SLOTS];
	struct tlb_slot common; /* regimes that are the same in all spaces */
	struct tlb_slot *space; /* the selected one */
	uint64_t common_regimes; /* bits */
	unsigned regimes;
	uint64_t epochs; /* the last epoch given out */
	_Atomic(bool) flush_wanted; /* the memory map changed: flush all before going on */
	_Atomic(bool) stop; /* the scheduler wants this thread back */

	uint64_t polls; /* halts in vain, one soon after the other */

	/* the exception that a BP_H_RAISED stands for */
	bool is_fault;
	struct bp_fault fault;
	uint32_t cause;
	uint64_t value;

	/* LL's watch: the host address and what was there; host NULL: none */
	uint8_t *watch_host;
	uint64_t watch_value[2];
	unsigned watch_size;
	uint32_t watch_turn; /* bus_ram_conditionals() before it was loaded */
	_Atomic(uint32_t) *turn_held; /* that count while it is odd on this CPU's account */

	void *stale_ram; /* the page that stores beside code last hit, and how often */
	uint64_t stale_page;
	unsigned stale_stores;

	bool user; /* runs a program: no bus, no scheduler (user.c) */
	bool user_raised; /* an exception is recorded that run() has to report */
	uint8_t *user_code; /* copies of two pages */
	struct vcpu *user_next, **user_prev; /* user.c's list */

	uint8_t fetch_buffer[16]; /* code that lies in a device */
	bool stopped_by_watch;
	uint64_t stop_addr, resume_pc; /* resume_pc: step over the breakpoint there once */
	bool resuming;
};

struct place { /* where an address of one access leads */
	uint8_t *host; /* RAM and ROM: the byte's host address; else NULL */
	struct bus_ram *ram;
	uint64_t offset; /* in ram */
	uint64_t phys;
	struct bus_space *space;
	uint64_t length; /* bytes from here on under the same verdict, within the page */
	uint32_t verdict; /* of the walk; 0 from the table */
	bool writable; /* host may be written: RAM proper */
};

static inline struct vcpu *vcpu_of(void *cpu)
{
	return ((struct bp_cpu_head *)cpu)->core;
}

/* Bytes from addr to the end of its page. */
static inline uint64_t page_left(const struct vcpu *v, uint64_t addr)
{
	return ~v->jit.page_mask + 1 - (addr & ~v->jit.page_mask);
}

/* Of entry e in a table of that mask. */
static inline struct tlb_back *tlb_back(
	const struct tlb_entry *table, uint32_t mask, const struct tlb_entry *e)
{
	const struct tlb_entry *end = table + (mask >> TLB_ENTRY_BITS) + 1;
	return (struct tlb_back *)(uintptr_t)end + (e - table);
}

/* tlb.c */
void tlb_init(struct vcpu *v);
void tlb_finish(struct vcpu *v);
void tlb_select(struct vcpu *v, uint64_t id);
void tlb_flush_all(struct vcpu *v);
void tlb_flush(struct vcpu *v, uint64_t addr, uint64_t len, uint64_t id, bool any_id, bool global);
/* Stores to that page of RAM go the slow way from now on. */
void tlb_protect(struct vcpu *v, const struct bus_ram *ram, uint64_t page_offset);
/* Translate for an access; BP_H_RAISED with the fault recorded. want_access is what the page must
 * permit, as_access how a fault is reported. */
int tlb_lookup(struct vcpu *v, unsigned regime, uint64_t addr, unsigned want_access,
	unsigned as_access, struct place *out);
/* The same without recording anything: 0, or -1. */
int tlb_peek(struct vcpu *v, unsigned regime, uint64_t addr, unsigned access, struct place *out);
void tlb_executed(struct vcpu *v, uint64_t pc);
/* The device that an access lies in alone, if the table knows: region and offset, or NULL. The region
 * may be gone when flush_wanted. */
struct bus_region *tlb_device(struct vcpu *v, unsigned regime, uint64_t addr, unsigned size,
	unsigned access, uint64_t *offset);

/* access.c: struct jit_host's members */
int access_load(struct jit_cpu *j, uint64_t addr, uint32_t memop, uint64_t value[8]);
int access_store(struct jit_cpu *j, uint64_t addr, uint32_t memop, const uint64_t value[8]);
int access_store_pair(
	struct jit_cpu *j, uint64_t addr, uint32_t memop, const uint64_t a[8], const uint64_t b[8]);
int access_rmw(struct jit_cpu *j, uint64_t addr, uint32_t memop, unsigned op,
	const uint64_t operand[2], uint64_t old[2]);
int access_cas(struct jit_cpu *j, uint64_t addr, uint32_t memop, const uint64_t expected[2],
	const uint64_t desired[2], uint64_t old[2]);
int access_ll(struct jit_cpu *j, uint64_t addr, uint32_t memop, uint64_t value[2]);
int access_sc(struct jit_cpu *j, uint64_t addr, uint32_t memop, const uint64_t value[2],
	uint64_t *failed);
int access_probe(struct jit_cpu *j, uint64_t addr, uint64_t len, unsigned access, uint32_t memop);
int access_bytes(
	struct vcpu *v, uint64_t addr, void *buf, uint32_t len, uint32_t memop, bool write);
int access_fault(struct vcpu *v, unsigned kind, unsigned access, unsigned regime, uint64_t addr,
	unsigned status);

/* code.c */
int code_fetch(struct jit_cpu *j, uint64_t pc, uint64_t key, struct jit_code *out);
/* Bytes of RAM were written: drop what was translated from them. True if anything was. */
bool code_written(struct vcpu *v, struct bus_ram *ram, uint64_t offset, uint64_t len);
bool code_breakpoint(struct jit_cpu *j, uint64_t pc);
bool code_page_watched(uint64_t page, uint64_t page_size);
void code_check_watch(struct vcpu *v, uint64_t addr, uint64_t len, unsigned access);
void code_stopped(struct vcpu *v, enum bp_exit why);

/* user.c */
void user_init(struct vcpu *v);
void user_finish(struct vcpu *v);
void user_raised(struct vcpu *v); /* deliver() */
void user_code_sync(void);
int user_fetch(struct vcpu *v, uint64_t pc, struct jit_code *out);
/* As tlb_lookup. */
int user_lookup(struct vcpu *v, unsigned regime, uint64_t addr, unsigned want, unsigned as,
	struct place *out);

#endif
