/* SPDX-License-Identifier: MIT */
/* What a fuzz target defines. It checks what must hold and aborts when it does not; the sanitizers
 * check the rest. It must give back all memory and keep no state from one input to the next. */
#ifndef FUZZ_H
#define FUZZ_H
#include <stddef.h>
#include <stdint.h>

/* Always returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
