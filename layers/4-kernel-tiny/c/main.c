/* A kernel for rumpuser.h: what it does from the first call on. */
#include "tiny.h"

int tiny_init(void)
{
	char hostname[64], processors[8];
	int64_t seconds;
	uint64_t seed;
	size_t done;
	long rest;
	int failed;

	cpu_init();
	if (rumpuser_getparam(RUMPUSER_PARAM_HOSTNAME, hostname, sizeof hostname) != 0 ||
	    rumpuser_getparam(RUMPUSER_PARAM_NCPU, processors, sizeof processors) != 0 ||
	    rumpuser_clock_gettime(RUMPUSER_CLOCK_RELWALL, &seconds, &rest) != 0 ||
	    rumpuser_getrandom(&seed, sizeof seed, 0, &done) != 0)
		panic("the machine does not say what it is");
	say("a kernel in C on %s, %s processors, at %lld, %zu random bytes\n", hostname, processors, (long long)seconds, done);
	timers_init();
	failed = locks_exercise();
	failed |= timers_exercise();
	failed |= disk_read();
	echo_start();
	say("%s\n", failed ? "something failed" : "ready");
	rumpuser_wait_stop(-1);
	say("asked to stop\n");
	return failed;
}
