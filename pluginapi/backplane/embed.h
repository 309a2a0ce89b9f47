/* SPDX-License-Identifier: MIT */
/* What libbackplane itself exports, for programs that embed an emulator. The backplane command is its
 * first user. Plugins never see this header. */
#ifndef BACKPLANE_EMBED_H
#define BACKPLANE_EMBED_H
#if defined(__GNUC__)
#define BP_EXPORTED __attribute__((visibility("default")))
#else
#define BP_EXPORTED
#endif
#ifdef __cplusplus
extern "C" {
#endif

/* The library's version, such as "0.1.0". Any thread. */
BP_EXPORTED const char *bp_version(void);

/* Before bp_main: a plugin that is linked into the program (its source built with BP_STATIC, its symbol
 * bp_plugin_1_NAME) is there without being searched for, and wins over others of the same types. 0, or
 * -1 after a report on stderr. */
struct bp_plugin;
BP_EXPORTED int bp_add_plugin(const struct bp_plugin *plugin);
/* The same with the text of its manifest, for what only that says (`runs`). */
BP_EXPORTED int bp_add_plugin_manifest(const struct bp_plugin *plugin, const char *manifest);

/* Do what the backplane command does with these words (argv[0] is the program's name; argc words),
 * once a process. Reports on stderr, output on stdout. Returns the exit status: 0, 1 for wrong usage
 * or a faulty machine file, 2 when something outside failed, 70 when an engine failed; a machine that
 * ran gives its guest's code. Blocks until then; the calling thread becomes the main loop. */
BP_EXPORTED int bp_main(int argc, char **argv);

#ifdef __cplusplus
}
#endif
#endif
