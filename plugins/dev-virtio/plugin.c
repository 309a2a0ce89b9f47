/* SPDX-License-Identifier: MIT */
#include "devices.h"

static const struct bp_type types[] = {
	{ "virtio-console", "virtio console, one port", BP_KIND_DEVICE, 0, &virtio_console, NULL },
	{ "virtio-rng", "virtio entropy source", BP_KIND_DEVICE, 0, &virtio_rng, NULL },
	{ 0 },
};

BP_PLUGIN(dev_virtio) = {
	BP_PLUGIN_HEAD,
	.name = "dev-virtio",
	.version = "0.1.0",
	.license = "MIT",
	.types = types,
};
