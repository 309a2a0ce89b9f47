/* SPDX-License-Identifier: MIT */
#ifndef DEV_VIRTIO_DEVICES_H
#define DEV_VIRTIO_DEVICES_H
#include <backplane/plugin.h>
#include <backplane/virtio.h>

extern const struct bp_object virtio_console, virtio_rng;

#endif
