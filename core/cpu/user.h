/* SPDX-License-Identifier: MIT */
/* CPUs that run programs in the process's own address space, without a bus: guest address A is host
 * address base + A. What `bp.user/1` (os.h) says, but for making CPUs. */
#ifndef CPU_USER_H
#define CPU_USER_H
#include <backplane/os.h>
#include <stdbool.h>

uint8_t *user_space(unsigned address_bits, int confine, bp_error *err);
void user_pages(uint64_t addr, uint64_t len, unsigned what);
unsigned user_page(uint64_t addr);
uint64_t user_find_free(uint64_t least, uint64_t below, uint64_t len, uint64_t align);
void user_enter(void *cpu);
void user_run(void *cpu, struct bp_user_exit *out);
void user_kick(void *cpu);
void user_code_changed(uint64_t addr, uint64_t len);
int user_copy_in(void *to, uint64_t addr, size_t len);
int user_copy_out(uint64_t addr, const void *from, size_t len);
int user_cas32(uint64_t addr, uint32_t *seen, uint32_t from, uint32_t to);
int user_host_fault(int signal, void *info, void *context);
/* Around the making of a CPU. */
void user_making(bool begin);
void user_fork(unsigned what, void *cpu);

#endif
