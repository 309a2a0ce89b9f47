/* SPDX-License-Identifier: MIT */
/* --trace sys: a line for each system call, its arguments by the letters of its row. */
#include "linux.h"
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { SHOWN = 48, LINE = 1024 };

struct line {
	char text[LINE];
	size_t length;
};

static void add(struct line *l, const char *format, ...) BP_PRINTF(2, 3);
static void add(struct line *l, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	int n = vsnprintf(l->text + l->length, LINE - l->length, format, args);
	va_end(args);
	l->length += n > 0 ? (size_t)n : 0;
	if (l->length > LINE - 1)
		l->length = LINE - 1;
}

static void quote(struct line *l, const char *bytes, size_t n, bool more)
{
	add(l, "\"");
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)bytes[i];
		if (c == '\n')
			add(l, "\\n");
		else if (isprint(c) && c != '"' && c != '\\')
			add(l, "%c", c);
		else
			add(l, "\\x%02x", c);
	}
	add(l, more ? "\"..." : "\"");
}

static void show_string(struct line *l, const struct thread *t, uint64_t addr)
{
	char text[PATH_SIZE];
	long n = addr ? string_in(t, text, addr, sizeof(text)) : -EFAULT;
	if (n < 0)
		add(l, addr ? "0x%" PRIx64 : "NULL", addr);
	else
		quote(l, text, n > SHOWN ? SHOWN : (size_t)n, n > SHOWN);
}

static void show_bytes(struct line *l, const struct thread *t, uint64_t addr, uint64_t len)
{
	char bytes[SHOWN];
	size_t n = len > SHOWN ? SHOWN : (size_t)len;
	if (!addr || copy_in(t, bytes, addr, n) != 0)
		add(l, "0x%" PRIx64, addr);
	else
		quote(l, bytes, n, len > SHOWN);
}

static void show(
	struct line *l, const struct thread *t, char kind, const uint64_t *arg, unsigned left)
{
	switch (kind) {
	case 'd':
	case 'f': add(l, "%d", (int)*arg); break;
	case 'a':
		if ((int)*arg == AT_FDCWD)
			add(l, "AT_FDCWD");
		else
			add(l, "%d", (int)*arg);
		break;
	case 'o': add(l, "0%o", (unsigned)*arg); break;
	case 'n': add(l, "%" PRIu64, *arg); break;
	case 'S': add(l, "SIG%s", sigabbrev_np((int)*arg) ? sigabbrev_np((int)*arg) : "?"); break;
	case 's':
	case 'P': show_string(l, t, *arg); break;
	case 'b': show_bytes(l, t, *arg, left ? arg[1] : 0); break;
	case 'p':
		if (!*arg) {
			add(l, "NULL");
			break;
		}
		/* fall through */
	default: add(l, "0x%" PRIx64, *arg); break;
	}
}

static void begin(struct line *l, const struct thread *t, const struct call *row, uint64_t number,
	const uint64_t args[6])
{
	const char *kinds = row ? row->args : "xxxxxx";
	add(l, "[%d] ", t->tid);
	if (row)
		add(l, "%s(", row->name);
	else
		add(l, "call_%" PRIu64 "(", number);
	for (unsigned i = 0; i < 6 && kinds[i]; i++) {
		add(l, i ? ", " : "");
		show(l, t, kinds[i], &args[i], 5 - i);
	}
	add(l, ")");
}

static void put(struct line *l)
{
	add(l, "\n");
	l->text[LINE - 1] = '\n';
	if (write(STDERR_FILENO, l->text, l->length) < 0)
		return;
}

/* Calls that do not come back are shown before. */
void trace_enter(
	const struct thread *t, const struct call *row, uint64_t number, const uint64_t args[6])
{
	struct line l = { .length = 0 };
	if (row && (row->fn == sys_exit || row->fn == sys_exit_group || row->fn == sys_execve)) {
		begin(&l, t, row, number, args);
		put(&l);
	}
}

void trace_leave(const struct thread *t, const struct call *row, uint64_t number,
	const uint64_t args[6], int64_t result)
{
	struct line l = { .length = 0 };
	begin(&l, t, row, number, args);
	if (result == -RESTART)
		add(&l, " = ? (a signal comes first)");
	else if (result < 0 && result >= -4095)
		add(&l, " = -1 %s (%s)", strerrorname_np((int)-result), strerror((int)-result));
	else if (result > UINT16_MAX || result < 0)
		add(&l, " = 0x%" PRIx64, (uint64_t)result);
	else
		add(&l, " = %" PRIi64, result);
	put(&l);
}
