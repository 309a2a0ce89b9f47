/* SPDX-License-Identifier: MIT */
/* For 32 bits and without a library: descriptors in messages whose room is too small. A line for each room;
 * a host that runs 32-bit programs of its own must say the same. */
typedef unsigned int u32;

#if defined(__riscv)
enum {
	FCNTL = 25,
	CLOSE = 57,
	WRITE = 64,
	EXIT_GROUP = 94,
	SOCKETPAIR = 199,
	SETSOCKOPT = 208,
	SENDMSG = 211,
	RECVMSG = 212
};

static long call(long n, long a, long b, long c, long d, long e)
{
	register long a0 __asm__("a0") = a, a1 __asm__("a1") = b, a2 __asm__("a2") = c;
	register long a3 __asm__("a3") = d, a4 __asm__("a4") = e, a7 __asm__("a7") = n;
	__asm__ volatile("ecall"
			 : "+r"(a0)
			 : "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a7)
			 : "memory");
	return a0;
}
#else /* i386 */
enum {
	FCNTL = 55,
	CLOSE = 6,
	WRITE = 4,
	EXIT_GROUP = 252,
	SOCKETPAIR = 360,
	SETSOCKOPT = 366,
	SENDMSG = 370,
	RECVMSG = 372
};

static long call(long n, long a, long b, long c, long d, long e)
{
	__asm__ volatile("int $0x80" : "+a"(n) : "b"(a), "c"(b), "d"(c), "S"(d), "D"(e) : "memory");
	return n;
}
#endif
#define CALL(n, a, b, c, d, e) call(n, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e))

enum { RIGHTS = 1, SOL_SOCKET = 1, PASSCRED = 16, SENT = 5, ROOM = 128, MOST = 64, HEAD = 12 };

void *memset(void *to, int c, u32 n)
{
	unsigned char *p = to;
	while (n--)
		*p++ = (unsigned char)c;
	return to;
}

static char line[256];
static u32 used;

static void text(const char *s)
{
	while (*s)
		line[used++] = *s++;
}

static void number(const char *name, long n)
{
	char digits[12];
	u32 left = n < 0 ? -(u32)n : (u32)n, i = 0;
	text(name);
	text(n < 0 ? " -" : " ");
	do
		digits[i++] = (char)('0' + left % 10);
	while (left /= 10);
	while (i)
		line[used++] = digits[--i];
}

struct header {
	u32 length;
	int level, type;
};
union control {
	struct {
		struct header head;
		int fd[SENT];
	};
	unsigned char bytes[ROOM];
};
struct message {
	void *name;
	u32 name_length;
	void *vectors;
	u32 count;
	void *control;
	u32 control_length, flags;
};
static struct {
	char *at;
	u32 n;
} vector = { (char[1]){ 'm' }, 1 };

static u32 open_count(void)
{
	u32 n = 0;
	for (int fd = 0; fd < MOST; fd++)
		n += CALL(FCNTL, fd, 1, 0, 0, 0) >= 0;
	return n;
}

static void send(int to)
{
	union control c;
	struct message m = { 0, 0, &vector, 1, &c, HEAD + SENT * 4, 0 };
	memset(&c, 0, sizeof(c)); /* descriptor 0, many times */
	c.head = (struct header){ HEAD + SENT * 4, SOL_SOCKET, RIGHTS };
	if (CALL(SENDMSG, to, &m, 0, 0, 0) != 1)
		text("not sent ");
}

static void receive(int from, u32 room)
{
	union control c;
	struct message m = { 0, 0, &vector, 1, &c, room, 0 };
	u32 before = open_count(), told = 0;
	memset(&c, 0x55, sizeof(c));
	text("ok");
	number(" room", (long)room);
	number(":", CALL(RECVMSG, from, &m, 0, 0, 0));
	number(" flags", (long)m.flags);
	number(" bytes", (long)m.control_length);
	number(" more", (long)(open_count() - before));
	for (u32 at = 0; at + HEAD <= m.control_length && at + HEAD <= ROOM;) {
		struct header *h = (struct header *)(c.bytes + at);
		int *fd = (int *)(h + 1);
		number(", type", h->type);
		number(" length", (long)h->length);
		for (u32 n = HEAD; h->type == RIGHTS && n + 4 <= h->length; n += 4)
			told += CALL(CLOSE, *fd++, 0, 0, 0, 0) == 0;
		if (h->length < HEAD)
			break;
		at += (h->length + 3) & ~3u;
	}
	number(", told", (long)told);
	number(" left", (long)(open_count() - before));
	text(c.bytes[room] == 0x55 ? "\n" : " written beyond\n");
	CALL(WRITE, 1, line, used, 0, 0);
	used = 0;
}

void _start(void)
{
	int pair[2], on = 1;
	for (u32 credentials = 0; credentials < 2; credentials++) {
		CALL(SOCKETPAIR, 1, 5, 0, pair, 0);
		if (credentials)
			CALL(SETSOCKOPT, pair[1], SOL_SOCKET, PASSCRED, &on, 4);
		for (u32 room = 0; room < 80; room++) {
			send(pair[0]);
			receive(pair[1], room);
		}
		CALL(CLOSE, pair[0], 0, 0, 0, 0);
		CALL(CLOSE, pair[1], 0, 0, 0, 0);
	}
	CALL(EXIT_GROUP, 0, 0, 0, 0, 0);
}
