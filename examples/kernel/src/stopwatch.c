/* A kernel that times a short sleep, says so, and ends. */
#include <rumpuser.h>

static void unschedule(int nlocks, int *count, void *interlock)
{
	(void)nlocks, (void)interlock;
	*count = 0;
}

static void schedule(int nlocks, void *interlock)
{
	(void)nlocks, (void)interlock;
}

static int64_t milliseconds(void)
{
	int64_t seconds = 0;
	long nanoseconds = 0;

	rumpuser_clock_gettime(RUMPUSER_CLOCK_ABSMONO, &seconds, &nanoseconds);
	return seconds * 1000 + nanoseconds / 1000000;
}

/* The first function; what it returns is the image's exit status. */
int stopwatch_init(void)
{
	/* Around a hypercall that blocks, a kernel with several threads would hand on its right to run. */
	static const struct rumpuser_hyperup calls = {
		.hyp_backend_unschedule = unschedule,
		.hyp_backend_schedule = schedule,
	};
	int64_t begin;

	if (rumpuser_init(RUMPUSER_VERSION, &calls) != 0)
		return 1;
	rumpuser_dprintf("stopwatch: begins\n");
	begin = milliseconds();
	rumpuser_clock_sleep(RUMPUSER_CLOCK_RELWALL, 0, 50000000);
	if (milliseconds() - begin < 50) {
		rumpuser_dprintf("stopwatch: woke too early\n");
		return 1;
	}
	rumpuser_dprintf("stopwatch: slept 50 ms\n");
	return 0;
}
