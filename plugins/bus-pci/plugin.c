/* SPDX-License-Identifier: MIT */
#include "pci.h"

static const struct bp_type types[] = {
	{ "pci-host-ecam-generic", "PCI host bridge with configuration space in memory",
		BP_KIND_BUS, 0, &pci_host_ecam, NULL },
	{ "pci-bridge", "PCI-to-PCI bridge", BP_KIND_BUS, 0, &pci_bridge, NULL },
	{ "pcie-root-port", "PCI Express root port with a slot", BP_KIND_BUS, 0, &pcie_root_port,
		NULL },
	{ 0 },
};

BP_PLUGIN(bus_pci) = {
	BP_PLUGIN_HEAD,
	.name = "bus-pci",
	.version = "0.1.0",
	.license = "MIT",
	.types = types,
};
