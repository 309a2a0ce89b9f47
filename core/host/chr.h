/* SPDX-License-Identifier: MIT */
/* Where a device and a byte stream back end meet. The functions are those of struct bp_host. */
#ifndef HOST_CHR_H
#define HOST_CHR_H
#include "plugin/object.h"
#include <backplane/chr.h>

/* The stream of a back end (made at the first call), or NULL if the object is none. [main] */
bp_chr *chr_of(struct object *back);
void chr_forget(struct object *back);

void chr_attach(void *self, bp_chr *chr, const struct bp_chr_front *front);
size_t chr_write(bp_chr *chr, const void *buf, size_t len);
void chr_ready(bp_chr *chr);
size_t chr_receive(void *self, const void *buf, size_t len);
void chr_event(void *self, int event);
int chr_attached(const void *self);
void chr_info(bp_chr *chr, struct bp_chr_info *info);

#endif
