/* The right to run in the kernel, and threads. */
#include "tiny.h"

static struct rumpuser_mtx *cpu;

static void schedule(void)
{
	rumpuser_mutex_enter_nowrap(cpu);
}

static void unschedule(void)
{
	rumpuser_mutex_exit(cpu);
}

static void backend_unschedule(int nlocks, int *countp, void *interlock)
{
	(void)interlock;
	*countp = nlocks;
	unschedule();
}

static void backend_schedule(int nlocks, void *interlock)
{
	(void)nlocks, (void)interlock;
	schedule();
}

static const struct rumpuser_hyperup up_calls = {
	.hyp_schedule = schedule,
	.hyp_unschedule = unschedule,
	.hyp_backend_unschedule = backend_unschedule,
	.hyp_backend_schedule = backend_schedule,
};

void cpu_init(void)
{
	static struct lwp first = { .id = 1 };

	/* Nobody waits for it with the right to run, since it is that. */
	rumpuser_mutex_init(&cpu, RUMPUSER_MTX_SPIN);
	schedule();
	if (rumpuser_init(RUMPUSER_VERSION, &up_calls) != 0)
		panic("the hypercalls have another version than the header");
	rumpuser_curlwpop(RUMPUSER_LWP_SET, &first);
}

_Noreturn void panic(const char *message)
{
	say("panic: %s\n", message);
	rumpuser_exit(RUMPUSER_PANIC);
}

void *allocate(size_t size)
{
	void *memory;

	if (rumpuser_malloc(size, 0, &memory) != 0)
		panic("out of memory");
	return memory;
}

int64_t now(void)
{
	int64_t seconds;
	long rest;

	if (rumpuser_clock_gettime(RUMPUSER_CLOCK_ABSMONO, &seconds, &rest) != 0)
		panic("no monotonic clock");
	return seconds * 1000000000 + rest;
}

static void *begin(void *argument)
{
	struct lwp *thread = argument;

	schedule();
	rumpuser_curlwpop(RUMPUSER_LWP_SET, thread);
	thread->function(thread->argument);
	rumpuser_curlwpop(RUMPUSER_LWP_CLEAR, thread);
	unschedule();
	return NULL;
}

struct lwp *thread_start(const char *name, void *(*function)(void *), void *argument)
{
	static int last = 1;
	struct lwp *thread = allocate(sizeof *thread);

	*thread = (struct lwp){ .id = ++last, .function = function, .argument = argument };
	if (rumpuser_thread_create(begin, thread, name, 1, 0, -1, &thread->cookie) != 0)
		panic("no memory for a thread");
	return thread;
}

void thread_join(struct lwp *thread)
{
	rumpuser_thread_join(thread->cookie);
	rumpuser_free(thread, sizeof *thread);
}
