/* SPDX-License-Identifier: MIT */
#include "priv.h"
