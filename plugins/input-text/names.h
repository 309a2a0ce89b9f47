/* SPDX-License-Identifier: MIT */
#ifndef INPUT_TEXT_NAMES_H
#define INPUT_TEXT_NAMES_H
#include <backplane/input.h>

/* The code of this type that a word names, with or without its prefix ("KEY_A", "a"), or as a number of
 * two digits or more; a single digit is a key. -1: none. */
int name_find(uint16_t type, const char *word);
/* The name of a code, else its number. */
void name_of_code(uint16_t type, uint16_t code, char *text, size_t size);

#endif
