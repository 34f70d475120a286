/* Timers: a list by time, and a thread that sleeps until the first. */
#include "tiny.h"

static struct rumpuser_mtx *lock;
static struct rumpuser_cv *changed;
static struct timer *timers;

static void *run(void *argument)
{
	(void)argument;
	rumpuser_mutex_enter(lock);
	for (;;) {
		struct timer *first = timers;
		int64_t left;

		if (first == NULL) {
			rumpuser_cv_wait(changed, lock);
			continue;
		}
		left = first->at - now();
		if (left > 0) {
			rumpuser_cv_timedwait(changed, lock, left / 1000000000, left % 1000000000);
			continue;
		}
		timers = first->next;
		rumpuser_mutex_exit(lock);
		first->function(first->argument);
		rumpuser_mutex_enter(lock);
	}
	return NULL;
}

void timers_init(void)
{
	/* It is taken and let go within a moment, so its waiters need not give up the right to run. */
	rumpuser_mutex_init(&lock, RUMPUSER_MTX_SPIN | RUMPUSER_MTX_KMUTEX);
	rumpuser_cv_init(&changed);
	thread_start("timers", run, NULL);
}

void timer_arm(struct timer *timer, int64_t at, void (*function)(void *), void *argument)
{
	struct timer **place = &timers;

	timer->at = at;
	timer->function = function;
	timer->argument = argument;
	rumpuser_mutex_enter(lock);
	while (*place != NULL && (*place)->at <= at)
		place = &(*place)->next;
	timer->next = *place;
	*place = timer;
	rumpuser_cv_signal(changed);
	rumpuser_mutex_exit(lock);
}

#define COUNT 5

static struct timer armed[COUNT];
static int order[COUNT], expired, early;

static void expire(void *argument)
{
	struct timer *timer = argument;

	if (now() < timer->at)
		early++;
	order[expired++] = (int)(timer - armed);
}

int timers_exercise(void)
{
	static const int milliseconds[COUNT] = { 40, 10, 30, 20, 50 }, wanted[COUNT] = { 1, 3, 2, 0, 4 };
	int64_t begin = now();
	int right = 1;

	for (int i = 0; i < COUNT; i++)
		timer_arm(&armed[i], begin + milliseconds[i] * 1000000ll, expire, &armed[i]);
	while (expired < COUNT && now() < begin + 10000000000)
		rumpuser_clock_sleep(RUMPUSER_CLOCK_RELWALL, 0, 5000000);
	for (int i = 0; i < COUNT; i++)
		right &= order[i] == wanted[i];
	say("%d of %d timers, %s, %d early\n", expired, COUNT, right ? "in order" : "out of order", early);
	return expired == COUNT && right && early == 0 ? 0 : 1;
}
