/* The machine's memory, as sysinfo(2) tells of it. */
#ifndef MEMORY_H
#define MEMORY_H

#include "tap.h"
#include <sys/sysinfo.h>

static inline long free_kib(void)
{
	struct sysinfo state;

	MUST(sysinfo(&state));
	return state.freeram / 1024 * state.mem_unit;
}

/* Whether it has so much that others come and go. */
static inline int is_large(void)
{
	struct sysinfo state;

	MUST(sysinfo(&state));
	return state.totalram / 1024 * state.mem_unit > 1 << 20;
}

#endif
