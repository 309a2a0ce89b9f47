/* SPDX-License-Identifier: MIT */
/* What belongs to the process and not to an object: the terminal's mode, and signals that end the
 * program or wake it up. */
#ifndef CHR_STDIO_TERMINAL_H
#define CHR_STDIO_TERMINAL_H

/* Every byte as it is typed, none of them a signal; given back by terminal_restore, at exit and when
 * a signal ends the program. A descriptor that is no terminal is left alone. */
void terminal_raw(int fd);
void terminal_restore(void);

/* Catch what asks a program to end (SIGINT, SIGTERM, SIGHUP, SIGQUIT), SIGCONT and SIGWINCH, and ignore
 * SIGPIPE.
 * Each arrives as one byte, its number, at the descriptor that is returned; -1: with errno. A second
 * request to end ends the program at once. */
int signals_catch(void);
void signals_release(void);

#endif
