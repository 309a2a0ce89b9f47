/* SPDX-License-Identifier: MIT */
/* Programs without a machine: plugins of kind "os" run them ("bp.user/1").
 *
 * The process has one guest address space: guest address A lies at base + A of the host, and what the
 * host's page tables permit there is what the guest may do. The os plugin maps and unmaps with the
 * host's own calls and says so through `pages`. Each guest thread is a CPU object that one host thread
 * runs; an instruction that raises comes back from `run` with the CPU's state as before it. */
#ifndef BACKPLANE_OS_H
#define BACKPLANE_OS_H
#include <backplane/plugin.h>
#ifdef __cplusplus
extern "C" {
#endif

enum bp_user_page { /* what the guest may do with a page */
	BP_USER_READ = 1,
	BP_USER_WRITE = 2,
	BP_USER_EXEC = 4,
	BP_USER_SHARED = 8, /* may change by other ways than stores there: a shared mapping */
	BP_USER_MAPPED = 16 /* something is mapped there, whatever is permitted */
};

enum bp_user_why {
	BP_USER_KICKED = 1, /* kick() was called */
	BP_USER_EXCEPTION, /* the instruction at head.pc raised: cause and value as the frontend says */
	BP_USER_FAULT, /* its access failed: fault */
	BP_USER_ERROR /* the frontend or the engine failed; the text is in the log */
};

struct bp_user_exit {
	uint32_t size, why; /* enum bp_user_why */
	uint32_t cause, signal; /* signal: the host's, of a fault that the host reported */
	uint64_t value;
	struct bp_fault fault;
};

enum bp_user_fork { BP_USER_FORK_BEGIN, BP_USER_FORK_PARENT, BP_USER_FORK_CHILD };

struct bp_user { /* by host->interface("bp.user/1") */
	uint32_t size, reserved;
	/* The id of the CPU type whose manifest says `runs = ["PROGRAM"]`, or NULL. [main] */
	const char *(*cpu_type)(const char *program);
	/* Reserve the address space, once: 1 << address_bits bytes, nothing mapped. Accesses outside of
	 * it fault, or may reach this process; with `confine` their upper bits are ignored, which costs
	 * time. NULL after host->fail. [main] */
	uint8_t *(*space)(unsigned address_bits, int confine, bp_error *err);
	/* What [addr, +len) is from now on, whole pages (enum bp_user_page; 0: nothing). Code that was
	 * translated there is forgotten. Only one thread at a time. [any] */
	void (*pages)(uint64_t addr, uint64_t len, unsigned what);
	unsigned (*page)(uint64_t addr); /* what it is. [any] */
	/* Highest free range of len bytes that ends at or below `below` and begins at or above `least`;
	 * 0: none. [any] */
	uint64_t (*find_free)(uint64_t least, uint64_t below, uint64_t len, uint64_t align);
	/* A CPU, reset. NULL after host->fail. [any, one at a time] */
	void *(*cpu_new)(const char *type, bp_error *err);
	void (*cpu_free)(void *cpu);
	const void *(*cpu_interface)(void *cpu, const char *id);
	/* This thread is the CPU's: before its first run, and in the child of a fork. [cpu] */
	void (*enter)(void *cpu);
	/* Until there is a reason to come back. [cpu] */
	void (*run)(void *cpu, struct bp_user_exit *out);
	/* Make run() come back soon, or at once when it is called next. [any, in a signal handler] */
	void (*kick)(void *cpu);
	/* Bytes of [addr, +len) may be other code than before, and are to be executed. [any] */
	void (*code_changed)(uint64_t addr, uint64_t len);
	/* Guest memory: 0, or -1 when a part of it cannot be accessed. [cpu] */
	int (*copy_in)(void *to, uint64_t addr, size_t len);
	int (*copy_out)(uint64_t addr, const void *from, size_t len);
	/* Atomic, aligned 4 bytes: *seen becomes what was there, `to` is stored if that is `from`. [cpu] */
	int (*cas32)(uint64_t addr, uint32_t *seen, uint32_t from, uint32_t to);
	/* From the host's handler of SIGSEGV and SIGBUS (siginfo_t *, ucontext_t *): 1 when it was the
	 * guest's access, and the handler shall return. It may not return at all: the handler must block
	 * no signals. [cpu] */
	int (*host_fault)(int signal, void *info, void *context);
	/* Around fork(): begin before, then one of the others in each process; cpu: the caller's. [cpu] */
	void (*fork)(unsigned what, void *cpu);
};

struct bp_os_start { /* `backplane user` as it was called */
	uint32_t size, argc;
	char **argv; /* the program and its arguments; NULL ended */
	char **envp;
	const char *sysroot; /* NULL: none */
	const char *argv0; /* what the program is told of its name; NULL: argv[0] */
	const char *cpu; /* type id that the user chose, or NULL */
	uint32_t trace; /* 1: a line for each system call */
	uint32_t confine; /* 1: for bp_user.space */
	/* The words that begin a command which runs a program just so, NULL ended: for exec. */
	char **again;
};

struct bp_os { /* bp_type.ext of BP_KIND_OS */
	uint32_t size, reserved;
	/* Run the program; returns the exit status, or does not return. [main] */
	int (*start)(void *self, const struct bp_os_start *how, bp_error *err);
};

#ifdef __cplusplus
}
#endif
#endif
