/* SPDX-License-Identifier: MIT */
/* Opening a plugin: one data symbol, believed only after it was looked at. */
#include "types.h"
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <ltdl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool started;

/* The dynamic loader maps what the program headers say; behind the end of a file that was cut short
 * there is nothing to read, and the process would be killed. So look first. */
static const char *why_not_whole(int fd)
{
	enum { HEADERS_MAX = 64 };
	static const unsigned char class = sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32;
	ElfW(Ehdr) head;
	ElfW(Phdr) part;
	struct stat st;
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		return "it is no regular file";
	if (pread(fd, &head, sizeof(head), 0) != sizeof(head) ||
		memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 || head.e_ident[EI_CLASS] != class ||
		head.e_type != ET_DYN)
		return "it is no shared object of this host's";
	if (head.e_phentsize != sizeof(part) || !head.e_phnum || head.e_phnum > HEADERS_MAX)
		return "its program headers are damaged";
	for (unsigned i = 0; i < head.e_phnum; i++) {
		uint64_t at = head.e_phoff + i * sizeof(part), size = (uint64_t)st.st_size;
		if (at > size || pread(fd, &part, sizeof(part), (off_t)at) != (ssize_t)sizeof(part))
			return "it is cut short inside its headers";
		if (part.p_type == PT_LOAD &&
			(part.p_offset > size || part.p_filesz > size - part.p_offset))
			return "it is cut short";
	}
	return NULL;
}

static int check_file(const char *module, const char *place, struct error_list *errors)
{
	int fd = open(module, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return error_list_add(
			errors, place, "%s cannot be opened: %s", module, g_strerror(errno));
	const char *why = why_not_whole(fd);
	close(fd);
	if (why)
		error_list_add(errors, place, "%s cannot be loaded: %s; install its package anew",
			module, why);
	return why ? -1 : 0;
}

/* The symbol is data, and large enough for what must be there. */
static bool is_descriptor(const void *symbol)
{
	const size_t least = offsetof(struct bp_plugin, types) + sizeof(void *);
	const ElfW(Sym) *entry = NULL;
	Dl_info info;
	if (!dladdr1(symbol, &info, (void **)&entry, RTLD_DL_SYMENT) || !entry)
		return false;
	return ELF64_ST_TYPE(entry->st_info) == STT_OBJECT && entry->st_size >= least;
}

const struct bp_plugin *loader_open(
	const char *module, const char *place, struct error_list *errors)
{
	if (!started && lt_dlinit() != 0) {
		error_list_add(errors, place, "libltdl does not start: %s", lt_dlerror());
		return NULL;
	}
	started = true;
	if (check_file(module, place, errors) != 0)
		return NULL;
	/* Modules stay open for good: their tables and code may be in use anywhere. */
	lt_dlhandle handle = lt_dlopen(module);
	if (!handle) {
		error_list_add(errors, place, "%s cannot be loaded: %s", module, lt_dlerror());
		return NULL;
	}
	lt_dlmakeresident(handle);
	const struct bp_plugin *p = lt_dlsym(handle, "bp_plugin_1");
	if (!p || !is_descriptor(p)) {
		error_list_add(errors, place,
			"%s has no data symbol bp_plugin_1: it is not a plugin for this ABI",
			module);
		return NULL;
	}
	return loader_check_plugin(p, module, place, errors) == 0 ? p : NULL;
}
