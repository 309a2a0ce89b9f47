/* SPDX-License-Identifier: MIT */
/* Program files (System V ABI, chapters 4 and 5). Nothing in a file is believed: sizes are checked
 * against the file and the guest's address space before anything is mapped. */
#include "linux.h"
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEADERS_MAX = 64 << 10, INTERPRETER_MAX = 4096, SCRIPT_LINE = 256, SCRIPT_DEPTH = 5 };

static int open_program(const char *path)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))) {
		close(fd);
		errno = EACCES;
		return -1;
	}
	return fd;
}

char *program_kind(const char *path, char buf[32])
{
	unsigned char head[20];
	int fd = open_program(path);
	if (fd < 0)
		return NULL;
	ssize_t n = pread(fd, head, sizeof(head), 0);
	close(fd);
	errno = 0;
	if (n >= 2 && head[0] == '#' && head[1] == '!')
		return strcpy(buf, "#!");
	if (n < (ssize_t)sizeof(head) || memcmp(head, ELFMAG, SELFMAG) != 0 ||
		head[EI_CLASS] - 1u > 1 || head[EI_DATA] - 1u > 1)
		return NULL;
	bool big = head[EI_DATA] == ELFDATA2MSB;
	unsigned machine = big ? head[18] << 8 | head[19] : head[19] << 8 | head[18];
	snprintf(buf, 32, "elf%d-%s-%u", 32 * head[EI_CLASS], big ? "big" : "little", machine);
	return buf;
}

struct loading { /* one file */
	struct thread *t;
	const char *path;
	int fd;
	uint64_t size; /* of the file */
	Elf64_Ehdr head;
	Elf64_Phdr *part;
	bp_error *err;
};

static int bad(const struct loading *l, const char *why)
{
	return l->t->os->host->fail(l->err, "%s cannot be run: %s", l->path, why);
}

static int read_parts(struct loading *l)
{
	const struct os *os = l->t->os;
	size_t each = struct_size(os, S_ELF_PART), count = l->head.e_phnum, bytes = count * each;
	if (l->head.e_phentsize != each || !count || bytes > HEADERS_MAX ||
		l->head.e_phoff > l->size || bytes > l->size - l->head.e_phoff)
		return bad(l, "its program headers are damaged or lie outside the file");
	uint8_t *guest = malloc(bytes);
	l->part = calloc(count, sizeof(*l->part));
	bool good = guest && l->part &&
		pread(l->fd, guest, bytes, (off_t)l->head.e_phoff) == (ssize_t)bytes;
	for (size_t i = 0; good && i < count; i++)
		struct_load(os, S_ELF_PART, &l->part[i], guest + i * each);
	free(guest);
	return good ? 0 : bad(l, "its program headers cannot be read");
}

static int read_headers(struct loading *l)
{
	struct stat st;
	const struct bp_linux_abi *abi = l->t->os->abi;
	if (fstat(l->fd, &st) != 0)
		return bad(l, strerror(errno));
	l->size = (uint64_t)st.st_size;
	uint8_t bytes[sizeof(Elf64_Ehdr)];
	ssize_t head_size = (ssize_t)struct_size(l->t->os, S_ELF_HEADER);
	if (pread(l->fd, bytes, (size_t)head_size, 0) != head_size ||
		memcmp(bytes, ELFMAG, SELFMAG) != 0)
		return bad(l, "it is no ELF file, or ends within the header");
	struct_load(l->t->os, S_ELF_HEADER, &l->head, bytes);
	if (l->head.e_ident[EI_CLASS] != abi->elf_class ||
		l->head.e_ident[EI_DATA] != abi->elf_data || l->head.e_machine != abi->elf_machine)
		return bad(l, "it is for another CPU than the program that needs it");
	if (l->head.e_type != ET_EXEC && l->head.e_type != ET_DYN)
		return bad(l, "it is neither an executable nor a shared object");
	return read_parts(l);
}

/* The range that all segments need. */
static int measure(const struct loading *l, struct image *m)
{
	uint64_t limit = l->t->os->limit;
	m->low = UINT64_MAX;
	for (unsigned i = 0; i < l->head.e_phnum; i++) {
		const Elf64_Phdr *p = &l->part[i];
		if (p->p_type == PT_GNU_STACK)
			m->stack_code = p->p_flags & PF_X;
		if (p->p_type != PT_LOAD || !p->p_memsz)
			continue;
		if (p->p_filesz > p->p_memsz || p->p_vaddr >= limit ||
			p->p_memsz > limit - p->p_vaddr)
			return bad(l, "a segment is larger than what a program can have");
		if (p->p_filesz && (p->p_offset > l->size || p->p_filesz > l->size - p->p_offset))
			return bad(l, "a segment lies behind the end of the file");
		if (p->p_filesz && (p->p_vaddr ^ p->p_offset) & (PAGE - 1))
			return bad(l, "a segment's address and place in the file do not fit pages");
		if (p->p_vaddr < m->low)
			m->low = p->p_vaddr & ~(uint64_t)(PAGE - 1);
		if (p->p_vaddr + p->p_memsz > m->end)
			m->end = p->p_vaddr + p->p_memsz;
		if (p->p_offset <= l->head.e_phoff && l->head.e_phoff - p->p_offset < p->p_filesz)
			m->headers = p->p_vaddr + (l->head.e_phoff - p->p_offset);
	}
	return m->low < m->end ? 0 : bad(l, "it has no segment to load");
}

static int protection(const Elf64_Phdr *p)
{
	return (p->p_flags & PF_R ? PROT_READ : 0) | (p->p_flags & PF_W ? PROT_WRITE : 0) |
		(p->p_flags & PF_X ? PROT_EXEC : 0);
}

static int load_segment(const struct loading *l, const struct image *m, const Elf64_Phdr *p)
{
	struct os *os = l->t->os;
	static const uint8_t zeros[PAGE];
	uint64_t at = p->p_vaddr + m->base, page = at & ~(uint64_t)(PAGE - 1);
	uint64_t file_end = at + p->p_filesz, end = at + p->p_memsz, zero_from = page;
	int prot = protection(p);
	if (p->p_filesz) {
		int64_t r = mem_map(os, page, file_end - page, prot, MAP_PRIVATE | MAP_FIXED, l->fd,
			(int64_t)(p->p_offset & ~(uint64_t)(PAGE - 1)));
		if (r < 0)
			return bad(l, strerror((int)-r));
		zero_from = (file_end + PAGE - 1) & ~(uint64_t)(PAGE - 1);
		/* What the file has behind the segment in its last page is not the program's. */
		if (prot & PROT_WRITE && end > file_end && zero_from != file_end &&
			os->user->copy_out(file_end, zeros, zero_from - file_end) != 0)
			return bad(l, "its last page cannot be written");
	}
	if (end > zero_from) {
		int64_t r = mem_map(os, zero_from, end - zero_from, prot,
			MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS, -1, 0);
		if (r < 0)
			return bad(l, strerror((int)-r));
	}
	return 0;
}

static int read_interpreter(const struct loading *l, struct image *m)
{
	for (unsigned i = 0; i < l->head.e_phnum; i++) {
		const Elf64_Phdr *p = &l->part[i];
		if (p->p_type != PT_INTERP)
			continue;
		if (p->p_filesz < 2 || p->p_filesz > INTERPRETER_MAX || p->p_offset > l->size ||
			p->p_filesz > l->size - p->p_offset)
			return bad(l, "the name of its interpreter is damaged");
		m->interpreter = calloc(1, p->p_filesz + 1);
		if (pread(l->fd, m->interpreter, p->p_filesz, (off_t)p->p_offset) !=
				(ssize_t)p->p_filesz ||
			m->interpreter[p->p_filesz - 1])
			return bad(l, "the name of its interpreter has no end");
		return 0;
	}
	return 0;
}

/* Where a program that can lie anywhere goes: itself at two thirds, its interpreter with libraries. */
static int place(const struct loading *l, struct image *m, bool interpreter)
{
	struct os *os = l->t->os;
	m->moves = l->head.e_type == ET_DYN;
	if (!m->moves)
		return m->low >= 16 * PAGE ? 0 : bad(l, "it wants the lowest addresses");
	uint64_t size = (m->end - m->low + PAGE - 1) & ~(uint64_t)(PAGE - 1), align = PAGE;
	for (unsigned i = 0; i < l->head.e_phnum; i++)
		if (l->part[i].p_type == PT_LOAD && l->part[i].p_align > align &&
			l->part[i].p_align <= (1u << 24) &&
			!(l->part[i].p_align & (l->part[i].p_align - 1)))
			align = l->part[i].p_align;
	uint64_t at = (os->limit / 3 * 2) & ~(align - 1);
	if (interpreter || os->limit - at < size)
		at = os->user->find_free(16 * PAGE, os->mmap_top, size, align);
	if (!at)
		return bad(l, "there is no room for it");
	m->base = at - m->low;
	return 0;
}

static int load_file(
	struct thread *t, const char *path, bool interpreter, struct image *m, bp_error *err)
{
	struct loading l = { .t = t, .path = path, .err = err };
	int r = -1;
	l.fd = open_program(path);
	if (l.fd < 0)
		return bad(&l, strerror(errno));
	if (read_headers(&l) == 0 && measure(&l, m) == 0 && place(&l, m, interpreter) == 0 &&
		read_interpreter(&l, m) == 0) {
		r = 0;
		for (unsigned i = 0; i < l.head.e_phnum && r == 0; i++)
			if (l.part[i].p_type == PT_LOAD && l.part[i].p_memsz)
				r = load_segment(&l, m, &l.part[i]);
	}
	m->entry = l.head.e_entry + m->base;
	m->low += m->base;
	m->end += m->base;
	m->headers = m->headers ? m->headers + m->base : 0;
	m->header_size = l.head.e_phentsize;
	m->header_count = l.head.e_phnum;
	free(l.part);
	close(l.fd);
	return r;
}

/* ---- "#!" ---- */

/* The words of a script's first line in front of its own path: interpreter, and one argument. */
static int script_words(struct thread *t, const char *path, char **argv[], bp_error *err)
{
	const char *shown = (*argv)[0];
	char line[SCRIPT_LINE + 1] = "";
	int fd = open_program(path);
	ssize_t n = fd < 0 ? -1 : pread(fd, line, SCRIPT_LINE, 0);
	if (fd >= 0)
		close(fd);
	char *end = n > 2 ? strpbrk(line + 2, "\n") : NULL;
	if (!end && n < SCRIPT_LINE && n > 2)
		end = line + n;
	if (!end)
		return t->os->host->fail(err, "%s: its #! line has no end or no program", path);
	*end = 0;
	char *name = line + 2 + strspn(line + 2, " \t"), *rest = name + strcspn(name, " \t");
	if (*rest)
		*rest++ = 0;
	rest += strspn(rest, " \t");
	for (char *last = rest + strlen(rest); last > rest && strchr(" \t", last[-1]);)
		*--last = 0;
	if (!*name)
		return t->os->host->fail(err, "%s: its #! line names no program", path);
	size_t count = 0;
	while ((*argv)[count])
		count++;
	char **words = calloc(count + 4, sizeof(*words)), **at = words;
	*at++ = strdup(name);
	if (*rest)
		*at++ = strdup(rest);
	*at++ = strdup(shown);
	for (size_t i = 1; i < count; i++)
		*at++ = (*argv)[i];
	*argv = words;
	return 0;
}

/* ---- all of it ---- */

static void layout(struct os *os)
{
	enum { STACK_GAP = 16 << 20, STACK = 8 << 20 };
	os->stack_top = os->limit - PAGE;
	os->stack_low = os->stack_top - STACK;
	os->mmap_top = os->stack_low - STACK_GAP;
}

int program_resolve(struct thread *t, bp_error *err)
{
	struct os *os = t->os;
	char kind[32], found[2 * PATH_SIZE], **argv = os->start->argv;
	for (unsigned depth = 0; depth < SCRIPT_DEPTH; depth++) {
		const char *host = path_find(os, argv[0], found);
		const char *is = program_kind(host, kind);
		os->argv = argv;
		if (!is || strcmp(is, "#!"))
			return 0;
		if (script_words(t, host, &argv, err) != 0)
			return -1;
	}
	return t->os->host->fail(err, "%s: its interpreter is a script, and that one's, and so on",
		t->os->start->argv[0]);
}

int program_load(struct thread *t, bp_error *err)
{
	struct os *os = t->os;
	struct image program = { 0 }, interpreter = { 0 };
	char found[2 * PATH_SIZE], **argv = os->argv;
	const char *path = argv[0];
	layout(os);
	if (os->start->argv0 && argv == os->start->argv) {
		argv = calloc(os->start->argc + 1, sizeof(*argv));
		memcpy(argv, os->start->argv, os->start->argc * sizeof(*argv));
		argv[0] = (char *)(uintptr_t)os->start->argv0;
	}
	const char *file = path_find(os, path, found);
	os->exe = realpath(file, NULL);
	if (mem_map(os, os->stack_low, os->stack_top - os->stack_low, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0) < 0)
		return os->host->fail(err, "the host has no memory for a stack");
	if (load_file(t, file, false, &program, err) != 0)
		return -1;
	if (program.stack_code)
		mem_protect(os, os->stack_low, os->stack_top - os->stack_low,
			PROT_READ | PROT_WRITE | PROT_EXEC);
	if (program.interpreter &&
		load_file(t, path_find(os, program.interpreter, found), true, &interpreter, err) !=
			0)
		return -1;
	os->brk_start = os->brk = (program.end + PAGE - 1) & ~(uint64_t)(PAGE - 1);
	if (vdso_map(t) != 0)
		return os->host->fail(err, "there is no room for the vDSO");
	struct stack_words words = { argv, os->start->envp, path, &program,
		program.interpreter ? &interpreter : NULL };
	uint64_t sp = stack_build(t, &words);
	if (!sp)
		return os->host->fail(err, "arguments and environment are too long");
	os->abi->start(t->cpu, program.interpreter ? interpreter.entry : program.entry, sp);
	free(program.interpreter);
	return 0;
}
