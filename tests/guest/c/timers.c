/* Clocks, sleeping and timer descriptors: clock_gettime(2), clock_nanosleep(2), timerfd_create(2). */
#define _GNU_SOURCE
#include "tap.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <unistd.h>

static const struct timespec tenth = { 0, 100000000 };

static void clocks(void)
{
	struct timespec earlier, later, resolution;
	struct timeval day;
	int backwards = 0;

	clock_gettime(CLOCK_MONOTONIC, &earlier);
	for (int i = 0; i < 20000; i++) {
		clock_gettime(CLOCK_MONOTONIC, &later);
		backwards |= later.tv_sec < earlier.tv_sec ||
			     (later.tv_sec == earlier.tv_sec && later.tv_nsec < earlier.tv_nsec);
		earlier = later;
	}
	OK(!backwards, "the monotonic clock never goes back");
	OK(clock_getres(CLOCK_MONOTONIC, &resolution) == 0 && resolution.tv_sec == 0 && resolution.tv_nsec >= 1,
	   "it has a resolution");
	OK(clock_gettime(CLOCK_REALTIME, &later) == 0 && later.tv_sec > 1700000000, "the real-time clock knows the year");
	OK(gettimeofday(&day, NULL) == 0 && labs(day.tv_sec - later.tv_sec) <= 1, "gettimeofday agrees");
	OK(labs(time(NULL) - later.tv_sec) <= 1, "time agrees");
	OK(clock_gettime(CLOCK_BOOTTIME, &later) == 0, "there is a clock since boot");
	OK(clock_gettime(CLOCK_MONOTONIC_RAW, &later) == 0 && clock_gettime(CLOCK_MONOTONIC_COARSE, &later) == 0 &&
		   clock_gettime(CLOCK_REALTIME_COARSE, &later) == 0,
	   "there are raw and coarse clocks");
	FAILS(clock_gettime(77, &later), EINVAL, "there is no clock 77");
}

static volatile unsigned long work;

static void processor_time(void)
{
	struct timespec before, after;
	int64_t start = now_ms();

	OK(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before) == 0, "there is a clock of the process's work");
	while (now_ms() - start < 100)
		work++;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
	OK(after.tv_sec > before.tv_sec || after.tv_nsec > before.tv_nsec, "which advances with work");
	OK(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after) == 0, "there is one of the thread's");
}

static void sleeping(void)
{
	struct timespec until, bad = { 0, 1000000000 }, negative = { -1, 0 };
	int64_t start = now_ms();

	OK(nanosleep(&tenth, NULL) == 0 && now_ms() - start >= 99, "a sleep is not too short");
	OK(now_ms() - start < 100 + LATE_MS, "nor much too long");
	FAILS(nanosleep(&bad, NULL), EINVAL, "10^9 ns are no fraction of a second");
	FAILS(nanosleep(&negative, NULL), EINVAL, "nobody sleeps a negative time");
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec++;
	start = now_ms();
	OK(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == 0 && now_ms() - start >= 990,
	   "a sleep until a time ends then");
	OK(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == 0 && now_ms() - start < 1000 + LATE_MS,
	   "a sleep until the past ends at once");
	OK(clock_nanosleep(CLOCK_REALTIME, 0, &tenth, NULL) == 0, "one can sleep by the real-time clock");
	start = now_ms();
	OK(poll(NULL, 0, 50) == 0 && now_ms() - start >= 49, "a poll of nothing is a sleep");
}

/* So brief that the timer fires before, while and after the processor comes to rest. */
static void brief_sleeps(void)
{
	int whole = 1;

	for (int i = 0; i < 5000; i++) {
		struct timespec span = { 0, i % 250 * 1000 };

		whole &= nanosleep(&span, NULL) == 0;
	}
	OK(whole, "thousands of brief sleeps end");
}

static int expirations(int timer)
{
	uint64_t count = 0;
	ssize_t size = read(timer, &count, sizeof count);

	return size == sizeof count ? (int)count : -1;
}

static void timer_descriptors(void)
{
	struct itimerspec once = { { 0, 0 }, tenth }, periodic = { { 0, 20000000 }, { 0, 20000000 } }, left, off = { 0 };
	struct itimerspec bad = { { 0, 0 }, { 0, 1000000000 } }, past = { { 0, 0 }, { 0, 1 } };
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	struct pollfd wait = { timer, POLLIN, 0 };
	struct epoll_event event = { EPOLLIN, { .u64 = 7 } };
	int set = epoll_create1(0);
	int64_t start;
	char small[4];

	MUST(timer);
	FAILS(expirations(timer), EAGAIN, "a timer that is off has not expired");
	OK(timerfd_settime(timer, 0, &once, NULL) == 0, "a timer can be set");
	OK(timerfd_gettime(timer, &left) == 0 && left.it_value.tv_sec == 0 && left.it_value.tv_nsec > 0 &&
		   left.it_value.tv_nsec <= 100000000 && left.it_interval.tv_nsec == 0,
	   "it tells what is left");
	FAILS(expirations(timer), EAGAIN, "it does not expire early");
	start = now_ms();
	OK(poll(&wait, 1, LATE_MS) == 1 && wait.revents == POLLIN && now_ms() - start < LATE_MS, "poll sees it expire");
	OK(expirations(timer) == 1, "it has expired once");
	FAILS(expirations(timer), EAGAIN, "which is told once");
	OK(timerfd_gettime(timer, &left) == 0 && left.it_value.tv_nsec == 0, "afterwards it is off");

	MUST(timerfd_settime(timer, 0, &periodic, NULL));
	sleep_ms(110);
	int count = expirations(timer);
	OK(count >= 5 && count < 5 + LATE_MS / 20, "a periodic timer counts its expirations");
	OK(timerfd_settime(timer, 0, &off, &left) == 0 && left.it_interval.tv_nsec == 20000000, "setting tells the old setting");
	sleep_ms(50);
	FAILS(expirations(timer), EAGAIN, "a timer that was switched off stays quiet");

	MUST(timerfd_settime(timer, TFD_TIMER_ABSTIME, &past, NULL));
	MUST(epoll_ctl(set, EPOLL_CTL_ADD, timer, &event));
	event.data.u64 = 0;
	OK(epoll_wait(set, &event, 1, LATE_MS) == 1 && event.data.u64 == 7, "a time in the past expires at once");
	FAILS(read(timer, small, sizeof small), EINVAL, "a count needs 8 bytes");
	OK(expirations(timer) == 1, "and is not lost by that");
	FAILS(timerfd_settime(timer, 0, &bad, NULL), EINVAL, "10^9 ns are refused");
	FAILS(timerfd_settime(0, 0, &once, NULL), EINVAL, "a descriptor of another kind is refused");
	FAILS(timerfd_settime(-1, 0, &once, NULL), EBADF, "no descriptor is refused");
	FAILS(timerfd_create(77, 0), EINVAL, "an unknown clock is refused");
	FAILS(timerfd_create(CLOCK_MONOTONIC, 1), EINVAL, "unknown flags are refused");
	close(timer);
	close(set);

	timer = timerfd_create(CLOCK_REALTIME, 0);
	start = now_ms();
	MUST(timerfd_settime(timer, 0, &once, NULL));
	OK(expirations(timer) == 1 && now_ms() - start >= 99, "a blocking read waits");
	close(timer);
}

static void many_timers(void)
{
	enum { COUNT = 200 };
	int timers[COUNT], expired = 0;

	for (int i = 0; i < COUNT; i++) {
		struct itimerspec setting = { { 0, 0 }, { 0, (1 + (i * 37) % COUNT) * 500000L } };

		MUST(timers[i] = timerfd_create(CLOCK_MONOTONIC, 0));
		MUST(timerfd_settime(timers[i], 0, &setting, NULL));
	}
	for (int i = 0; i < COUNT; i++) {
		expired += expirations(timers[i]) == 1;
		close(timers[i]);
	}
	OK(expired == COUNT, "200 timers expire, whatever their order");
}

int main(void)
{
	clocks();
	processor_time();
	sleeping();
	brief_sleeps();
	timer_descriptors();
	many_timers();
	return tap_done();
}
