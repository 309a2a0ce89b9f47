/* SPDX-License-Identifier: MIT */
/* A program of riscv32 without any library: what differs for 32 bits. A line for each check. */
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long i64;
typedef unsigned char u8;

enum {
	FCNTL = 25,
	IOCTL = 29,
	STATFS = 43,
	FTRUNCATE = 46,
	LSEEK = 62,
	READ = 63,
	WRITE = 64,
	READV = 65,
	WRITEV = 66,
	PREAD = 67,
	PWRITE = 68,
	PIPE2 = 59,
	EXIT = 93,
	EXIT_GROUP = 94,
	WAITID = 95,
	GET_ROBUST = 100,
	SET_ROBUST = 99,
	GETITIMER = 102,
	SETITIMER = 103,
	TIMER_CREATE = 107,
	TIMER_DELETE = 111,
	KILL = 129,
	TGKILL = 131,
	SIGALTSTACK = 132,
	SIGACTION = 134,
	SIGPROCMASK = 135,
	SIGQUEUE = 138,
	SIGRETURN = 139,
	TIMES = 153,
	UNAME = 160,
	GETRUSAGE = 165,
	GETPID = 172,
	GETTID = 178,
	SYSINFO = 179,
	SOCKETPAIR = 199,
	SOCKET = 198,
	SENDMSG = 211,
	RECVMSG = 212,
	BRK = 214,
	MUNMAP = 215,
	CLONE = 220,
	MMAP = 222,
	MPROTECT = 226,
	MEMFD = 279,
	STATX = 291,
	RSEQ = 293,
	CLOCK_GETTIME = 403,
	NANOSLEEP = 407,
	TIMERFD_CREATE = 85,
	TIMERFD_GET = 410,
	TIMERFD_SET = 411,
	SELECT = 413,
	PPOLL = 414,
	SIGTIMEDWAIT = 421,
	FUTEX = 422,
	EXECVE = 221,
	PTRACE = 117,
};

static long call(long n, long a, long b, long c, long d, long e, long f)
{
	register long a0 __asm__("a0") = a, a1 __asm__("a1") = b, a2 __asm__("a2") = c;
	register long a3 __asm__("a3") = d, a4 __asm__("a4") = e, a5 __asm__("a5") = f;
	register long a7 __asm__("a7") = n;
	__asm__ volatile("ecall"
			 : "+r"(a0)
			 : "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a5), "r"(a7)
			 : "memory");
	return a0;
}
#define CALL(n, a, b, c, d, e, f)                                                                  \
	call(n, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

void *memset(void *to, int c, unsigned n)
{
	u8 *p = to;
	while (n--)
		*p++ = (u8)c;
	return to;
}

void *memcpy(void *to, const void *from, unsigned n)
{
	u8 *p = to;
	const u8 *q = from;
	while (n--)
		*p++ = *q++;
	return to;
}

static unsigned length(const char *s)
{
	unsigned n = 0;
	while (s[n])
		n++;
	return n;
}

static int same(const void *a, const void *b, unsigned n)
{
	const u8 *p = a, *q = b;
	while (n-- && *p == *q)
		p++, q++;
	return n == ~0u;
}

static int failed;

static void check(const char *what, int good)
{
	struct {
		const char *at;
		u32 n;
	} v[3] = { { good ? "ok " : "not ok ", good ? 3 : 7 }, { what, length(what) },
		{ "\n", 1 } };
	CALL(WRITEV, 1, v, 3, 0, 0, 0);
	failed |= !good;
}

/* ---- files and memory ---- */

static void files(void)
{
	int fd = CALL(MEMFD, "x", 0, 0, 0, 0, 0);
	char buf[16] = "";
	u64 at = 0;
	struct {
		char *at;
		u32 n;
	} v[2] = { { buf, 3 }, { buf + 8, 4 } };
	check("write", CALL(WRITE, fd, "abcdefgh", 8, 0, 0, 0) == 8);
	/* 5 GiB in two registers */
	check("ftruncate", CALL(FTRUNCATE, fd, 0x40000000, 1, 0, 0, 0) == 0);
	check("pwrite", CALL(PWRITE, fd, "far", 3, 0x3ffffff0, 1, 0) == 3);
	check("pread", CALL(PREAD, fd, buf, 3, 0x3ffffff0, 1, 0) == 3 && same(buf, "far", 3));
	check("llseek", CALL(LSEEK, fd, 0, 0, &at, 2, 0) == 0 && at == 0x140000000);
	check("llseek back", CALL(LSEEK, fd, -1, -8, &at, 1, 0) == 0 && at == 0x13ffffff8);
	CALL(LSEEK, fd, 0, 0, &at, 0, 0);
	check("readv", CALL(READV, fd, v, 2, 0, 0, 0) == 7 && same(buf + 8, "defg", 4));
	char *p = (char *)CALL(MMAP, 0, 8192, 3, 1, fd, 0x13ffff000 >> 12);
	check("mmap", (u32)p < -4095u && same(p + 0xff0, "far", 3));
	check("munmap", CALL(MUNMAP, p, 8192, 0, 0, 0, 0) == 0);
	p = (char *)CALL(MMAP, 0, 16 << 20, 3, 0x22, -1, 0);
	p[(16 << 20) - 1] = 1;
	check("mmap of nothing's", (u32)p < -4095u && !p[0]);
	check("mmap beyond", CALL(MMAP, 0, 0xfffff000, 3, 0x22, -1, 0) == -12);
	u32 stx[64] = { 0 };
	check("statx",
		CALL(STATX, fd, "", 0x1000, 0x7ff, stx, 0) == 0 && stx[10] == 0x40000000 &&
			stx[11] == 1);
	u32 fs[22] = { 0 };
	check("statfs64",
		CALL(STATFS, "/proc", 88, fs, 0, 0, 0) == 0 && fs[0] == 0x9fa0 && fs[14] == 255);
	check("statfs64's size", CALL(STATFS, "/proc", 84, fs, 0, 0, 0) == -22);
	struct {
		short type, whence;
		u32 gap;
		i64 start, len;
		int pid;
	} lock = { 1, 0, 0, 0x100000000, 5, 0 };
	check("lock", CALL(FCNTL, fd, 13, &lock, 0, 0, 0) == 0);
	u32 ws[2] = { 0 };
	check("ioctl",
		CALL(IOCTL, 1, 0x5413, ws, 0, 0, 0) != -38 &&
			CALL(IOCTL, fd, 0xdead, ws, 0, 0, 0) == -25);
	int s = CALL(SOCKET, 2, 2, 0, 0, 0, 0);
	char ifr[36] = "lo";
	ifr[32] = ifr[33] = 7;
	check("ioctl of an interface",
		CALL(IOCTL, s, 0x8913, ifr, 0, 0, 0) == 0 && ifr[16] & 8 && ifr[32] == 7);
	check("a null pointer",
		CALL(WRITEV, 1, 0, 1, 0, 0, 0) == -14 && CALL(PPOLL, 0, 0, -4, 0, 0, 0) == -14);
}

/* ---- messages ---- */

struct message {
	void *name;
	u32 name_length;
	void *vector;
	u32 vectors;
	void *control;
	u32 control_length, flags;
};

static void messages(void)
{
	int pair[2], pipe[2];
	CALL(SOCKETPAIR, 1, 1, 0, pair, 0, 0);
	CALL(PIPE2, pipe, 0, 0, 0, 0, 0);
	struct {
		char *at;
		u32 n;
	} v = { "m", 1 };
	struct {
		u32 length;
		int level, type, fd[2], gap[4];
	} c = { 20, 1, 1, { pipe[0], pipe[1] }, { 9, 9, 9, 9 } };
	struct message m = { 0, 0, &v, 1, &c, 20, 0 };
	char got[4];
	check("sendmsg", CALL(SENDMSG, pair[0], &m, 0, 0, 0, 0) == 1);
	memset(&c, 0, sizeof(c));
	c.gap[0] = 9;
	v.at = got;
	m.control_length = 20;
	check("recvmsg",
		CALL(RECVMSG, pair[1], &m, 0, 0, 0, 0) == 1 && c.length == 20 && c.type == 1 &&
			m.control_length == 20 && c.gap[0] == 9);
	CALL(WRITE, c.fd[1], "yes", 3, 0, 0, 0);
	check("a descriptor in a message",
		CALL(READ, pipe[0], got, 3, 0, 0, 0) == 3 && same(got, "yes", 3));
}

/* ---- time ---- */

struct time {
	i64 s;
	u32 ns, gap;
};

static void times(void)
{
	struct time a = { 0, 0, 0x5555 }, b, small = { 0, 2000000, 0xdeadbeef },
		    none = { 0, 0, ~0u };
	check("clock_gettime64",
		CALL(CLOCK_GETTIME, 1, &a, 0, 0, 0, 0) == 0 && a.ns < 1000000000 && !a.gap);
	check("clock_nanosleep", CALL(NANOSLEEP, 1, 0, &small, 0, 0, 0) == 0);
	CALL(CLOCK_GETTIME, 1, &b, 0, 0, 0, 0);
	check("it slept", (b.s - a.s) * 1000000000 + ((int)b.ns - (int)a.ns) >= 2000000);
	check("clock_gettime32 is not there", CALL(113, 1, &a, 0, 0, 0, 0) == -38);
	int fd = CALL(TIMERFD_CREATE, 1, 0, 0, 0, 0, 0);
	struct time set[2] = { { 0, 0, ~0u }, { 100, 5, ~0u } }, get[2];
	check("timerfd",
		CALL(TIMERFD_SET, fd, 0, set, 0, 0, 0) == 0 &&
			CALL(TIMERFD_GET, fd, get, 0, 0, 0, 0) == 0 && get[1].s > 90 &&
			!get[1].gap);
	long fds[2] = { fd, 1 };
	check("ppoll", CALL(PPOLL, fds, 1, &none, 0, 0, 0) == 0);
	u32 reads[2] = { 1u << (fd & 31), 0x77777777 };
	check("pselect6",
		CALL(SELECT, fd + 1, reads, 0, 0, &none, 0) == 0 && !reads[0] &&
			reads[1] == 0x77777777);
	u32 used[18], sys[16], tms[4], left[4] = { 0, 0, 100, 0 }, was[4];
	check("getrusage", CALL(GETRUSAGE, 0, used, 0, 0, 0, 0) == 0 && used[4] > 100);
	check("sysinfo", CALL(SYSINFO, sys, 0, 0, 0, 0, 0) == 0 && sys[4] && sys[13]);
	check("times", CALL(TIMES, tms, 0, 0, 0, 0, 0) != -14);
	check("setitimer",
		CALL(SETITIMER, 0, left, 0, 0, 0, 0) == 0 &&
			CALL(GETITIMER, 0, was, 0, 0, 0, 0) == 0 && was[2] > 90 && was[2] <= 100);
	left[2] = 0;
	CALL(SETITIMER, 0, left, was, 0, 0, 0);
}

/* ---- signals ---- */

struct info {
	int signal, error, code, a, b, c, d, e, rest[24];
};
struct context {
	u32 flags, link, stack, stack_flags, stack_size, mask[2], room[30], align[3], pc, x[31];
};
struct action {
	void (*handler)(int, struct info *, struct context *);
	u32 flags;
	u64 mask;
} __attribute__((packed, aligned(4)));

static volatile struct info seen;
static volatile u32 seen_mask, seen_sp;
static volatile int skips;

static void handler(int signal, struct info *i, struct context *c)
{
	(void)signal;
	seen = *i;
	seen_mask = c->mask[0];
	seen_sp = (u32)&signal;
	if (skips)
		c->pc += 4; /* the instruction that failed */
	skips = 0;
}

static int child(void *stack, void (*run)(void *), void *arg, u32 flags, int *tid)
{
	void **top = (void **)(((u32)stack) & -16u);
	*--top = arg;
	*--top = (void *)run;
	register long a0 __asm__("a0") = (long)flags, a1 __asm__("a1") = (long)top;
	register long a2 __asm__("a2") = (long)tid, a3 __asm__("a3") = 0,
			 a4 __asm__("a4") = (long)tid;
	register long a7 __asm__("a7") = CLONE;
	__asm__ volatile("ecall\n bnez a0, 1f\n lw t0, 0(sp)\n lw a0, 4(sp)\n jalr t0\n"
			 "li a7, 93\n li a0, 0\n ecall\n1:"
			 : "+r"(a0)
			 : "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a7)
			 : "memory", "t0", "ra");
	return a0;
}

static void signals(void)
{
	struct action act = { handler, 4 /* SA_SIGINFO */, 0 }, old;
	check("sigaction",
		CALL(SIGACTION, 10, &act, 0, 8, 0, 0) == 0 &&
			CALL(SIGACTION, 10, 0, &old, 8, 0, 0) == 0 && old.handler == handler &&
			old.flags == 4);
	int pid = CALL(GETPID, 0, 0, 0, 0, 0, 0);
	CALL(KILL, pid, 10, 0, 0, 0, 0);
	check("kill", seen.signal == 10 && seen.code == 0 && seen.a == pid);
	struct info i = { 10, 0, -1, pid, 0, 0x12345678 };
	CALL(SIGQUEUE, pid, 10, &i, 0, 0, 0);
	check("a value", seen.code == -1 && seen.c == 0x12345678);
	CALL(SIGACTION, 11, &act, 0, 8, 0, 0);
	skips = 1;
	__asm__ volatile(
		"li t0, 0x1234\n .option push\n .option norvc\n sw t0, 0(t0)\n .option pop" ::
			: "t0", "memory");
	check("a fault", seen.signal == 11 && seen.code == 1 && seen.a == 0x1234);
	static char alt[16384];
	struct {
		void *at;
		u32 flags, size;
	} ss = { alt, 0, sizeof(alt) }, was;
	check("sigaltstack", CALL(SIGALTSTACK, &ss, &was, 0, 0, 0, 0) == 0 && was.flags == 2);
	act.flags |= 0x08000000; /* SA_ONSTACK */
	CALL(SIGACTION, 10, &act, 0, 8, 0, 0);
	u64 block = 1u << 11;
	CALL(SIGPROCMASK, 0, &block, 0, 8, 0, 0);
	CALL(KILL, pid, 10, 0, 0, 0, 0);
	check("on another stack", seen_sp - (u32)alt < sizeof(alt) && seen_mask == 1u << 11);
	CALL(KILL, pid, 12, 0, 0, 0, 0);
	struct time soon = { 5, 0, ~0u };
	struct info got;
	check("rt_sigtimedwait",
		CALL(SIGTIMEDWAIT, &block, &got, &soon, 8, 0, 0) == 12 && got.a == pid);
	int fork = CALL(CLONE, 17, 0, 0, 0, 0, 0);
	if (!fork)
		CALL(EXIT_GROUP, 5, 0, 0, 0, 0, 0);
	u32 used[18];
	check("waitid",
		CALL(WAITID, 1, fork, &got, 4, used, 0) == 0 && got.a == fork && got.code == 1 &&
			got.c == 5);
	check("ptrace", CALL(PTRACE, 0, 0, 0, 0, 0, 0) == -1);
}

/* ---- threads ---- */

static volatile int turn, told;

static void other(void *arg)
{
	told = (int)arg;
	turn = 1;
	CALL(FUTEX, &turn, 1, 1, 0, 0, 0);
}

static void threads(void)
{
	static char stack[16384];
	static volatile int tid;
	struct time late = { 20, 0, ~0u }, soon = { 0, 1000000, ~0u };
	int r = child(stack + sizeof(stack), other, (void *)77, 0x3d0f00, (int *)&tid);
	check("clone", r > 0);
	while (!turn)
		CALL(FUTEX, &turn, 0, 0, &late, 0, 0);
	for (int left; (left = tid);)
		CALL(FUTEX, &tid, 0, left, &late, 0, 0);
	check("another thread", told == 77 && !tid);
	check("futex_time64", CALL(FUTEX, &turn, 0, 1, &soon, 0, 0) == -110);
	check("futex's pointer", CALL(FUTEX, &turn, 0, 1, 4, 0, 0) == -14);
	u32 head[3] = { (u32)head }, list = 0, size = 0;
	check("robust list",
		CALL(SET_ROBUST, head, 12, 0, 0, 0, 0) == 0 &&
			CALL(GET_ROBUST, 0, &list, &size, 0, 0, 0) == 0 && list == (u32)head &&
			size == 12);
	CALL(SET_ROBUST, 0, 12, 0, 0, 0, 0);
	static struct {
		u32 start;
		int cpu;
		u32 rest[6];
	} area __attribute__((aligned(32))) = { 9, -1 };
	check("rseq",
		CALL(RSEQ, &area, 32, 0, 0x1234, 0, 0) == 0 && area.cpu >= 0 &&
			(int)area.start == area.cpu);
}

/* The stack: count, arguments, environment, auxiliary vector, in words of 32 bits. */
__attribute__((used)) static void begin(u32 *sp)
{
	u32 *env = sp + sp[0] + 2, page = 0, entry = 0;
	char *name = 0;
	int home = 0;
	for (; *env; env++)
		home |= same((char *)*env, "TOLD=", 5);
	for (u32 *aux = env + 1; *aux; aux += 2) {
		page = *aux == 6 ? aux[1] : page;
		entry = *aux == 9 ? aux[1] : entry;
		name = *aux == 31 ? (char *)aux[1] : name;
	}
	extern char _start[];
	check("arguments", (sp[0] == 2 || sp[0] == 3) && same((char *)sp[2], "word", 5) && home);
	check("auxiliary vector",
		page == 4096 && entry == (u32)_start && name &&
			same(name, (char *)sp[1], length(name)));
	if (sp[0] == 3) { /* the one that was started by the other */
		check("after exec", 1);
		CALL(EXIT_GROUP, failed, 0, 0, 0, 0, 0);
	}
	static char u[6 * 65];
	check("uname", CALL(UNAME, u, 0, 0, 0, 0, 0) == 0 && same(u + 4 * 65, "riscv32", 8));
	check("brk", CALL(BRK, CALL(BRK, 0, 0, 0, 0, 0, 0) + 10000, 0, 0, 0, 0, 0) > 0x10000);
	files();
	messages();
	times();
	signals();
	threads();
	if (failed)
		CALL(EXIT_GROUP, 1, 0, 0, 0, 0, 0);
	char *argv[] = { (char *)sp[1], "word", "again", 0 }, *envp[] = { "TOLD=x", 0 };
	CALL(EXECVE, argv[0], argv, envp, 0, 0, 0);
	CALL(EXIT_GROUP, 2, 0, 0, 0, 0, 0);
}

__asm__(".globl _start\n_start:\n .option push\n .option norelax\n lla gp, __global_pointer$\n "
	".option pop\n"
	"mv a0, sp\n andi sp, sp, -16\n call begin\n");
