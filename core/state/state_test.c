/* SPDX-License-Identifier: MIT */
#include "internal.h"
int main(void)
{
	return 0;
}
