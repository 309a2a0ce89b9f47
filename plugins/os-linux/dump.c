/* SPDX-License-Identifier: MIT */
/* Core files of the guest: an ELF file of type ET_CORE with notes (core(5); the structs are those of
 * linux/elfcore.h and linux/auxvec.h), and the memory that no file gives back. Which memory follows the
 * kernel's default filter (core(5), coredump_filter 0x33). */
#include "linux.h"
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

enum { REGISTERS_MAX = 1024, PATTERN = 128, PREFIX_BYTES = 12, PROGRAM_HEADERS_MAX = 0xfffe };

struct bytes {
	uint8_t *at;
	size_t len, room;
	bool failed;
};

struct part { /* a mapping */
	uint64_t low, high, offset;
	unsigned what; /* enum bp_user_page */
	bool whole; /* its memory is in the core, else: its first page at most */
	uint64_t bytes; /* in the core */
	char *name; /* of its file, or NULL */
};

struct dump {
	struct thread *t; /* that dies */
	const siginfo_t *info;
	struct part *part;
	size_t parts;
	struct bytes notes;
	uint64_t limit;
	int fd, pagemap;
};

static void put(struct bytes *b, const void *from, size_t len)
{
	if (b->len + len > b->room) {
		size_t room = 2 * (b->len + len);
		uint8_t *at = realloc(b->at, room);
		b->failed |= !at;
		if (!at)
			return;
		b->at = at;
		b->room = room;
	}
	memcpy(b->at + b->len, from, len);
	b->len += len;
}

/* ---- the mappings ---- */

static void add_part(void *self, const struct mapping *m)
{
	struct dump *d = self;
	struct part *more = realloc(d->part, (d->parts + 1) * sizeof(*more));
	if (!more)
		return;
	d->part = more;
	struct part *p = &more[d->parts++];
	*p = (struct part){ .low = m->low, .high = m->high, .offset = m->offset, .what = m->what };
	if (m->inode)
		p->name = strdup(m->name);
	bool code = m->what & BP_USER_EXEC && !(m->what & BP_USER_WRITE);
	p->whole = !m->inode || (m->private ? m->changed || m->what & BP_USER_WRITE : m->unlinked);
	if (!(m->what & BP_USER_READ))
		p->bytes = 0;
	else if (p->whole)
		p->bytes = p->high - p->low;
	else
		/* a program's headers say which build it is of */
		p->bytes = !p->offset && m->private && (code || m->inode) ? PAGE : 0;
}

/* ---- notes ---- */

static void note(struct dump *d, uint32_t type, const char *owner, const void *from, size_t len)
{
	static const uint8_t zeros[4];
	Elf64_Nhdr head = { (uint32_t)strlen(owner) + 1, (uint32_t)len, type };
	put(&d->notes, &head, sizeof(head));
	put(&d->notes, owner, head.n_namesz);
	put(&d->notes, zeros, -head.n_namesz & 3);
	put(&d->notes, from, len);
	put(&d->notes, zeros, -(uint32_t)len & 3);
}

static void note_thread(struct dump *d, struct thread *t)
{
	const struct bp_linux_abi *abi = t->os->abi;
	uint8_t general[REGISTERS_MAX] = { 0 }, floating[REGISTERS_MAX] = { 0 };
	struct core_status status = { .signal = d->info->si_signo,
		.code = d->info->si_code,
		.cursig = (uint16_t)d->info->si_signo,
		.held = t->mask,
		.pid = (uint32_t)t->tid,
		.ppid = (uint32_t)getppid(),
		.pgrp = (uint32_t)getpgrp(),
		.sid = (uint32_t)getsid(0) };
	struct timespec used;
	if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used) == 0) {
		status.seconds = (uint64_t)used.tv_sec;
		status.microseconds = (uint64_t)used.tv_nsec / 1000;
	}
	abi->registers(t->cpu, general, floating);
	size_t head = struct_size(t->os, S_CORE_STATUS);
	uint8_t all[STRUCT_MAX + REGISTERS_MAX + 8] = { 0 };
	struct_store(t->os, S_CORE_STATUS, all, &status);
	memcpy(all + head, general, abi->general_size);
	head += abi->general_size;
	all[abi->elf_data == BP_LINUX_BIG ? head + 3 : head] = 1; /* the other note is there */
	note(d, NT_PRSTATUS, "CORE", all, head + (abi->elf_class == 2 ? 8 : 4));
	if (t == d->t) {
		uint8_t info[INFO_BYTES];
		info_store(t->os, info, d->info);
		note(d, NT_SIGINFO, "CORE", info, sizeof(info));
	}
	note(d, NT_FPREGSET, "CORE", floating, abi->floating_size);
}

static void note_process(struct dump *d)
{
	const struct os *os = d->t->os;
	char arguments[80] = "";
	uint8_t out[STRUCT_MAX];
	struct core_info info = { .state_letter = 'R',
		.uid = getuid(),
		.gid = getgid(),
		.pid = (uint32_t)getpid(),
		.ppid = (uint32_t)getppid(),
		.pgrp = (uint32_t)getpgrp(),
		.sid = (uint32_t)getsid(0) };
	const char *name = os->exe ? strrchr(os->exe, '/') : NULL;
	size_t n = os->argv_end - os->argv_low;
	n = n > sizeof(arguments) - 1 ? sizeof(arguments) - 1 : n;
	strncpy(info.name, name ? name + 1 : "", sizeof(info.name) - 1);
	copy_in(d->t, arguments, os->argv_low, n);
	for (size_t i = 0; i + 1 < n; i++)
		arguments[i] = arguments[i] ? arguments[i] : ' ';
	struct_store(os, S_CORE_INFO, out, &info);
	size_t size = struct_size(os, S_CORE_INFO);
	/* text behind the numbers: the name's 16 bytes, the arguments' 80 */
	memcpy(out + size - 96, info.name, sizeof(info.name));
	memcpy(out + size - 80, arguments, sizeof(arguments));
	note(d, NT_PRPSINFO, "CORE", out, size);
	uint8_t auxv[sizeof(os->auxv)];
	words_store(os, auxv, os->auxv, os->auxv_words);
	note(d, NT_AUXV, "CORE", auxv, os->auxv_words * os->layout->word);
}

static void put_words(const struct dump *d, struct bytes *b, const uint64_t *words, size_t count)
{
	uint8_t guest[3 * 8];
	words_store(d->t->os, guest, words, count);
	put(b, guest, count * d->t->os->layout->word);
}

/* How many, the unit of offsets, (low, high, offset) of each, then the names. */
static void note_files(struct dump *d)
{
	struct bytes b = { 0 };
	uint64_t head[2] = { 0, PAGE };
	for (size_t i = 0; i < d->parts; i++)
		head[0] += d->part[i].name != NULL;
	put_words(d, &b, head, 2);
	for (size_t i = 0; i < d->parts; i++) {
		const struct part *p = &d->part[i];
		uint64_t row[3] = { p->low, p->high, p->offset / PAGE };
		if (p->name)
			put_words(d, &b, row, 3);
	}
	for (size_t i = 0; i < d->parts; i++)
		if (d->part[i].name)
			put(&b, d->part[i].name, strlen(d->part[i].name) + 1);
	if (head[0] && !b.failed)
		note(d, NT_FILE, "CORE", b.at, b.len);
	free(b.at);
}

static void make_notes(struct dump *d)
{
	note_thread(d, d->t);
	note_process(d);
	note_files(d);
	for (struct thread *t = d->t->os->thread; t; t = t->next)
		if (t != d->t)
			note_thread(d, t);
}

/* ---- the file's name: /proc/sys/kernel/core_pattern ---- */

static void expand(const struct dump *d, const char *pattern, char *out, size_t size)
{
	const char *exe = d->t->os->exe ? d->t->os->exe : "";
	const char *name = strrchr(exe, '/');
	struct utsname u;
	struct rlimit limit;
	size_t n = 0;
	uname(&u);
	getrlimit(RLIMIT_CORE, &limit);
	const struct {
		char letter;
		unsigned long number;
		const char *text;
	} rows[] = { { 'p', (unsigned long)getpid(), NULL }, { 'P', (unsigned long)getpid(), NULL },
		{ 'i', (unsigned long)d->t->tid, NULL }, { 'I', (unsigned long)d->t->tid, NULL },
		{ 'u', getuid(), NULL }, { 'g', getgid(), NULL }, { 'd', 1, NULL },
		{ 's', (unsigned long)d->info->si_signo, NULL },
		{ 't', (unsigned long)time(NULL), NULL }, { 'c', limit.rlim_cur, NULL },
		{ 'h', 0, u.nodename }, { 'e', 0, name ? name + 1 : exe },
		{ 'f', 0, name ? name + 1 : exe }, { 'E', 0, exe }, { '%', 0, "%" } };
	for (const char *p = pattern; *p && n + 1 < size; p++) {
		if (*p != '%') {
			out[n++] = *p;
			continue;
		}
		if (!*++p)
			break;
		for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
			if (rows[i].letter != *p)
				continue;
			size_t from = n;
			n += (size_t)(rows[i].text
					? snprintf(out + n, size - n, "%s", rows[i].text)
					: snprintf(out + n, size - n, "%lu", rows[i].number));
			n = n < size ? n : size - 1;
			for (size_t k = from; k < n; k++) /* one file, in one folder */
				out[k] = out[k] == '/' ? '!' : out[k];
		}
	}
	out[n] = 0;
}

static bool read_line(const char *path, char *out, size_t size)
{
	FILE *in = fopen(path, "re");
	bool good = in && fgets(out, (int)size, in);
	if (in)
		fclose(in);
	if (good)
		out[strcspn(out, "\n")] = 0;
	return good;
}

/* What the pattern hands to a program of the host's ("|") is about processes of the host's: the guest's
 * core becomes a file. */
static int open_core(const struct dump *d)
{
	char pattern[PATTERN + 1], with_pid[8], path[PATH_SIZE];
	struct stat st;
	if (!read_line("/proc/sys/kernel/core_pattern", pattern, sizeof(pattern)) || !pattern[0] ||
		pattern[0] == '|')
		strcpy(pattern, "core");
	expand(d, pattern, path, sizeof(path) - 32);
	if (!strstr(pattern, "%p") &&
		read_line("/proc/sys/kernel/core_uses_pid", with_pid, sizeof(with_pid)) &&
		with_pid[0] == '1')
		snprintf(path + strlen(path), 32, ".%d", (int)getpid());
	int fd = open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
	if (fd < 0 ||
		(fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1 &&
			ftruncate(fd, 0) == 0))
		return fd;
	close(fd);
	return -1;
}

/* ---- the file ---- */

static bool write_at(const struct dump *d, uint64_t at, const void *from, uint64_t len)
{
	if (at >= d->limit)
		return false;
	len = len > d->limit - at ? d->limit - at : len;
	return pwrite(d->fd, from, len, (off_t)at) == (ssize_t)len;
}

/* Pages that were never touched stay holes; so do those that cannot be read (a file cut short). */
static void write_memory(const struct dump *d, uint64_t at, const struct part *p)
{
	enum { RUN = 512 };
	uint64_t seen[RUN];
	for (uint64_t done = 0; done < p->bytes; done += RUN * PAGE) {
		uint64_t host = (uintptr_t)d->t->os->base + p->low + done, n = RUN;
		if (n > (p->bytes - done) / PAGE)
			n = (p->bytes - done) / PAGE;
		bool known = d->pagemap >= 0 &&
			pread(d->pagemap, seen, n * 8, (off_t)(host / PAGE * 8)) ==
				(ssize_t)(n * 8);
		for (uint64_t i = 0; i < n; i++) {
			uint8_t page[PAGE];
			uint64_t here = done + i * PAGE;
			bool file = p->name != NULL;
			if (known && !file && !(seen[i] >> 62)) /* neither present nor swapped */
				continue;
			if (copy_in(d->t, page, p->low + here, PAGE) == 0 &&
				!write_at(d, at + here, page, PAGE))
				return;
		}
	}
}

static Elf64_Phdr part_header(const struct part *p, uint64_t at)
{
	Elf64_Phdr h = { .p_type = PT_LOAD,
		.p_offset = at,
		.p_vaddr = p->low,
		.p_memsz = p->high - p->low,
		.p_filesz = p->bytes,
		.p_align = PAGE };
	h.p_flags = (p->what & BP_USER_READ ? PF_R : 0) | (p->what & BP_USER_WRITE ? PF_W : 0) |
		(p->what & BP_USER_EXEC ? PF_X : 0);
	return h;
}

static void write_core(struct dump *d)
{
	const struct bp_linux_abi *abi = d->t->os->abi;
	const struct os *os = d->t->os;
	size_t each = struct_size(os, S_ELF_PART), head_size = struct_size(os, S_ELF_HEADER);
	size_t count = d->parts + 1, headers = count * each;
	uint8_t first[sizeof(Elf64_Ehdr)], *bytes = malloc(headers);
	Elf64_Ehdr head = { .e_ident = ELFMAG,
		.e_type = ET_CORE,
		.e_machine = (Elf64_Half)abi->elf_machine,
		.e_version = EV_CURRENT,
		.e_phoff = head_size,
		.e_flags = abi->elf_flags,
		.e_ehsize = (Elf64_Half)head_size,
		.e_phentsize = (Elf64_Half)each,
		.e_phnum = (Elf64_Half)count };
	Elf64_Phdr *h = calloc(count, sizeof(*h));
	if (!h || !bytes || count > PROGRAM_HEADERS_MAX || d->notes.failed) {
		free(h);
		free(bytes);
		return;
	}
	head.e_ident[EI_CLASS] = (unsigned char)abi->elf_class;
	head.e_ident[EI_DATA] = (unsigned char)abi->elf_data;
	head.e_ident[EI_VERSION] = EV_CURRENT;
	h[0] = (Elf64_Phdr){ .p_type = PT_NOTE,
		.p_offset = head_size + headers,
		.p_filesz = d->notes.len,
		.p_align = 4 };
	uint64_t at = (h[0].p_offset + d->notes.len + PAGE - 1) & ~(uint64_t)(PAGE - 1);
	for (size_t i = 0; i < d->parts; at += d->part[i++].bytes)
		h[i + 1] = part_header(&d->part[i], at);
	uint64_t end = at > d->limit ? d->limit : at;
	struct_store(os, S_ELF_HEADER, first, &head);
	for (size_t i = 0; i < count; i++)
		struct_store(os, S_ELF_PART, bytes + i * each, &h[i]);
	if (ftruncate(d->fd, (off_t)end) == 0 && write_at(d, 0, first, head_size) &&
		write_at(d, head_size, bytes, headers) &&
		write_at(d, h[0].p_offset, d->notes.at, d->notes.len))
		for (size_t i = 0; i < d->parts; i++)
			write_memory(d, h[i + 1].p_offset, &d->part[i]);
	free(bytes);
	free(h);
}

bool dump_signal(int signal)
{
	static const uint8_t signals[] = { SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE,
		SIGSEGV, SIGXCPU, SIGXFSZ, SIGSYS };
	return memchr(signals, signal, sizeof(signals)) != NULL;
}

void dump_core(struct thread *t, const siginfo_t *info)
{
	struct os *os = t->os;
	struct rlimit limit, all;
	struct dump d = { .t = t, .info = info };
	if (!dump_signal(info->si_signo) || getrlimit(RLIMIT_CORE, &limit) != 0 ||
		limit.rlim_cur < PAGE || prctl(PR_GET_DUMPABLE) != 1 ||
		os->abi->general_size > REGISTERS_MAX || os->abi->floating_size > REGISTERS_MAX)
		return;
	/* A file size limit holds for the program's writes, not for these. */
	if (getrlimit(RLIMIT_FSIZE, &all) == 0 && all.rlim_cur != all.rlim_max) {
		all.rlim_cur = all.rlim_max;
		setrlimit(RLIMIT_FSIZE, &all);
	}
	d.limit = limit.rlim_cur == RLIM_INFINITY ? INT64_MAX : limit.rlim_cur;
	/* All others stand between two instructions from here to the end of the process. */
	os->user->fork(BP_USER_FORK_BEGIN, t->cpu);
	d.fd = open_core(&d);
	if (d.fd < 0)
		return;
	d.pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	mappings_each(os, true, add_part, &d);
	make_notes(&d);
	write_core(&d);
	close(d.fd);
}
