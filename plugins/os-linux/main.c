/* SPDX-License-Identifier: MIT */
/* The plugin, the first thread, and the loop that every thread runs. */
#include "linux.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

__thread struct thread *current;

enum { SELF_FD_LEAST = 512, EXIT_BROKEN = 70 };

/* What the guest's signal would have done to a process: be ended by it. */
void die_by(struct thread *t, const siginfo_t *info)
{
	int signal = info->si_signo;
	struct sigaction plain = { .sa_handler = SIG_DFL };
	struct rlimit none = { 0, 0 };
	sigset_t only;
	dump_core(t, info);
	threads_release(t->os);
	/* A core of this process would say nothing of the program. */
	setrlimit(RLIMIT_CORE, &none);
	sigaction(signal, &plain, NULL);
	sigemptyset(&only);
	sigaddset(&only, signal);
	pthread_sigmask(SIG_UNBLOCK, &only, NULL);
	if (t->os->trace)
		fprintf(stderr, "[%d] killed by signal %d\n", t->tid, signal);
	syscall(SYS_tgkill, getpid(), (pid_t)syscall(SYS_gettid), signal);
	_exit(128 + signal);
}

static void fault(struct thread *t, const struct bp_user_exit *e)
{
	uint64_t addr = e->fault.addr;
	bool mapped = t->os->user->page(addr) & BP_USER_MAPPED;
	if (e->fault.kind == BP_FAULT_ALIGN || e->fault.kind == BP_FAULT_ALIGN_ACCESS)
		signal_force(t, SIGBUS, BUS_ADRALN, addr);
	else if (e->signal == SIGBUS)
		signal_force(t, SIGBUS, BUS_ADRERR, addr);
	else
		signal_force(t, SIGSEGV, mapped ? SEGV_ACCERR : SEGV_MAPERR, addr);
}

static void exception(struct thread *t, const struct bp_user_exit *e)
{
	struct bp_linux_trap_info trap = { .size = sizeof(trap) };
	t->os->abi->trap(t->cpu, e->cause, e->value, &trap);
	switch (trap.kind) {
	case BP_LINUX_TRAP_CALL: call_enter(t); break;
	case BP_LINUX_TRAP_SIGNAL: signal_force(t, trap.signal, trap.code, trap.addr); break;
	default:
		t->os->host->log(NULL, BP_LOG_ERROR,
			"the CPU raised exception %u, which no program can cause", e->cause);
		_exit(EXIT_BROKEN);
	}
}

void thread_loop(struct thread *t)
{
	struct bp_user_exit e;
	while (!t->ending) {
		if (atomic_load(&t->pending))
			signals_deliver(t);
		t->os->user->run(t->cpu, &e);
		switch (e.why) {
		case BP_USER_EXCEPTION: exception(t, &e); break;
		case BP_USER_FAULT: fault(t, &e); break;
		case BP_USER_ERROR: _exit(EXIT_BROKEN);
		default: break;
		}
	}
}

/* ---- start ---- */

static int choose_cpu(struct os *os, const char *path, bp_error *err)
{
	char buf[32], *kind = program_kind(path, buf);
	os->cpu_type = os->start->cpu;
	if (os->cpu_type)
		return 0;
	if (!kind)
		return os->host->fail(err, "%s: %s", path,
			errno ? strerror(errno)
			      : "this is no program: neither ELF nor #! begins the file");
	os->cpu_type = os->user->cpu_type(kind);
	if (!os->cpu_type)
		return os->host->fail(err,
			"%s is a program for %s, which no CPU plugin that is installed runs "
			"(`runs` in its manifest)",
			path, kind);
	return 0;
}

static int make_process(struct os *os, struct thread *t, bp_error *err)
{
	void *cpu = os->user->cpu_new(os->cpu_type, err);
	if (!cpu)
		return -1;
	os->abi = os->user->cpu_interface(cpu, "bp.linux-abi/1");
	if (!os->abi || os->abi->size < sizeof(*os->abi))
		return os->host->fail(err, "%s offers no bp.linux-abi/1: it runs no Linux programs",
			os->cpu_type);
	os->layout = layout_find(os->abi);
	if (!os->layout)
		return os->host->fail(err,
			"%s: no layout of structs and table of system calls is there for its "
			"programs, but for little-endian ones of asm-generic's headers",
			os->abi->machine);
	os->user->cpu_free(cpu);
	os->base = os->user->space(os->abi->address_bits, (int)os->start->confine, err);
	if (!os->base)
		return -1;
	os->limit = UINT64_C(1) << os->abi->address_bits;
	/* Anew: a CPU learns of the address space when it is made. */
	t->cpu = os->user->cpu_new(os->cpu_type, err);
	return t->cpu ? 0 : -1;
}

static void open_self(struct os *os)
{
	const char *name = (const char *)(uintptr_t)getauxval(AT_EXECFN);
	char kind[32];
	int fd = open("/proc/self/exe", O_PATH | O_CLOEXEC);
	/* Without /proc the kernel's word for what it started; if it started the guest's program, it
	 * will find this emulator again by itself. */
	if (fd < 0 && name && program_kind(name, kind) && kind[0] == 'e' &&
		!os->user->cpu_type(kind))
		fd = open(name, O_PATH | O_CLOEXEC);
	os->self_fd = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, SELF_FD_LEAST);
	if (fd >= 0 && os->self_fd >= 0)
		close(fd);
	else
		os->self_fd = fd;
}

static int start(void *self, const struct bp_os_start *how, bp_error *err)
{
	struct os *os = self;
	struct thread *t = calloc(1, sizeof(*t));
	os->start = how;
	os->trace = how->trace;
	*t = (struct thread){ .os = os, .first = true, .tid = (int)syscall(SYS_gettid) };
	t->alt_flags = SS_DISABLE;
	current = t;
	char found[2 * PATH_SIZE];
	open_self(os);
	if (program_resolve(t, err) != 0 ||
		choose_cpu(os, path_find(os, os->argv[0], found), err) != 0 ||
		make_process(os, t, err) != 0)
		return -1;
	os->thread = t;
	t->prev = &os->thread;
	os->thread_count = 1;
	os->user->enter(t->cpu);
	signals_init(os);
	if (program_load(t, err) != 0)
		return -1;
	thread_loop(t);
	_exit(t->status);
}

static int create(void *self, const struct bp_host *host, bp_error *err)
{
	struct os *os = self;
	os->host = host;
	os->user = host->interface("bp.user/1");
	pthread_mutex_init(&os->memory, NULL);
	pthread_mutex_init(&os->threads, NULL);
	return os->user ? 0 : host->fail(err, "this core runs no programs");
}

static const struct bp_object object = {
	.size = sizeof(struct bp_object),
	.instance_size = sizeof(struct os),
	.threads = BP_PARALLEL,
	.create = create,
};
static const struct bp_os os_linux = { .size = sizeof(struct bp_os), .start = start };
static const struct bp_type types[] = {
	{ "linux", "Linux programs of another ISA", BP_KIND_OS, 0, &object, &os_linux },
	{ 0 },
};

BP_PLUGIN(os_linux) = {
	BP_PLUGIN_HEAD,
	.name = "os-linux",
	.version = "0.1.0",
	.license = "MIT",
	.types = types,
};
