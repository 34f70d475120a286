/* Test results as lines: "ok 1 name" or "not ok 2 name", then the plan "1..2"; the exit status says if all passed. */
#ifndef TAP_H
#define TAP_H

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int tap_count, tap_failures;

static inline void tap_result(int passed, const char *name, const char *file, int line)
{
	int error = errno;

	tap_count++;
	printf("%sok %d %s\n", passed ? "" : "not ", tap_count, name);
	if (!passed) {
		tap_failures++;
		printf("# %s:%d, errno %d (%s)\n", file, line, error, strerror(error));
	}
	fflush(stdout);
}

/* The condition holds. */
#define OK(condition, name) tap_result(!!(condition), name, __FILE__, __LINE__)

/* The call returns -1 and sets errno to the error. */
#define FAILS(call, error, name) OK((errno = 0, (call) == -1) && errno == (error), name)

/* The call succeeds, or the test cannot go on. */
#define MUST(call)                                                                            \
	do {                                                                                  \
		if ((intptr_t)(call) == -1) {                                                 \
			printf("Bail out! %s:%d %s: %s\n", __FILE__, __LINE__, #call, strerror(errno)); \
			exit(1);                                                              \
		}                                                                             \
	} while (0)

static inline int tap_done(void)
{
	printf("1..%d\n", tap_count);
	return tap_failures != 0;
}

/* Milliseconds of the monotonic clock. */
static inline int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static inline void sleep_ms(long ms)
{
	struct timespec span = { ms / 1000, ms % 1000 * 1000000 };

	while (nanosleep(&span, &span) == -1 && errno == EINTR)
		;
}

/* How late an event may be on a busy, emulated machine. */
#define LATE_MS 3000

#endif
