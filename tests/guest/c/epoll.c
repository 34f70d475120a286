/* Readiness: epoll(7), poll(2), eventfd(2), pipes and local socket pairs. */
#define _GNU_SOURCE
#include "tap.h"
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static int set;

static int control(int operation, int descriptor, uint32_t events)
{
	struct epoll_event event = { events, { .fd = descriptor } };

	return epoll_ctl(set, operation, descriptor, &event);
}

/* The events that are ready now on the only ready descriptor; 0 if none is, -1 if several are. */
static int ready(int descriptor)
{
	struct epoll_event events[4];
	int count = epoll_wait(set, events, 4, 0);

	if (count <= 0)
		return count;
	return count == 1 && events[0].data.fd == descriptor ? (int)events[0].events : -1;
}

static void errors(void)
{
	struct epoll_event event = { EPOLLIN, { 0 } };
	int ends[2], file = open("/", O_RDONLY | O_DIRECTORY);

	MUST(pipe2(ends, O_CLOEXEC));
	OK((fcntl(set, F_GETFD) & FD_CLOEXEC) != 0, "EPOLL_CLOEXEC is kept");
	FAILS(epoll_create1(1), EINVAL, "unknown flags are refused");
	FAILS(syscall(SYS_epoll_create, 0), EINVAL, "a set for nothing is refused");
	FAILS(control(EPOLL_CTL_MOD, ends[0], EPOLLIN), ENOENT, "what is not in the set cannot be changed");
	FAILS(control(EPOLL_CTL_DEL, ends[0], 0), ENOENT, "nor taken out");
	OK(control(EPOLL_CTL_ADD, ends[0], EPOLLIN) == 0, "a pipe can be added");
	FAILS(control(EPOLL_CTL_ADD, ends[0], EPOLLIN), EEXIST, "but not twice");
	FAILS(control(EPOLL_CTL_ADD, 999, EPOLLIN), EBADF, "no descriptor is refused");
	FAILS(control(EPOLL_CTL_ADD, set, EPOLLIN), EINVAL, "the set itself is refused");
	FAILS(control(EPOLL_CTL_ADD, file, EPOLLIN), EPERM, "what is always ready is refused");
	FAILS(epoll_ctl(ends[0], EPOLL_CTL_ADD, ends[1], &event), EINVAL, "a pipe is no set");
	FAILS(epoll_wait(set, &event, 0, 0), EINVAL, "there must be room for an event");
	FAILS(epoll_wait(ends[0], &event, 1, 0), EINVAL, "only sets can be waited for");
	FAILS(epoll_wait(set, (void *)8, 1, 0) == 0 ? -1 : 0, 0, "a bad buffer does no harm while nothing is ready");
	close(file);
	close(ends[0]);
	close(ends[1]);
	OK(ready(0) == 0, "what is closed leaves the set");
}

static void pipes(void)
{
	int ends[2];
	char buffer[8];

	MUST(pipe2(ends, O_NONBLOCK));
	MUST(control(EPOLL_CTL_ADD, ends[0], EPOLLIN));
	OK(ready(ends[0]) == 0, "an empty pipe is not readable");
	FAILS(read(ends[0], buffer, 1), EAGAIN, "nor does a read wait");
	MUST(write(ends[1], "abc", 3));
	OK(ready(ends[0]) == EPOLLIN, "a written one is");
	OK(ready(ends[0]) == EPOLLIN, "and stays so until it is read");
	OK(read(ends[0], buffer, 8) == 3 && !memcmp(buffer, "abc", 3), "what is read is what was written");
	OK(ready(ends[0]) == 0, "then it is not");
	OK(read(ends[0], buffer, 0) == 0, "nothing can be read at any time");

	MUST(control(EPOLL_CTL_MOD, ends[0], EPOLLIN | EPOLLET));
	MUST(write(ends[1], "a", 1));
	OK(ready(ends[0]) == EPOLLIN, "an edge is told");
	OK(ready(ends[0]) == 0, "once");
	MUST(write(ends[1], "b", 1));
	OK(ready(ends[0]) == EPOLLIN, "the next edge is told again");
	MUST(control(EPOLL_CTL_MOD, ends[0], EPOLLIN | EPOLLET));
	OK(ready(ends[0]) == EPOLLIN, "a change looks anew");

	MUST(control(EPOLL_CTL_MOD, ends[0], EPOLLIN | EPOLLONESHOT));
	OK(ready(ends[0]) == EPOLLIN, "one shot is told");
	MUST(write(ends[1], "c", 1));
	OK(ready(ends[0]) == 0, "and no other");
	MUST(control(EPOLL_CTL_MOD, ends[0], EPOLLIN | EPOLLONESHOT));
	OK(ready(ends[0]) == EPOLLIN, "until it is armed again");

	MUST(control(EPOLL_CTL_MOD, ends[0], EPOLLIN));
	MUST(read(ends[0], buffer, 8));
	close(ends[1]);
	OK(ready(ends[0]) == EPOLLHUP, "a pipe without writers is hung up");
	OK(read(ends[0], buffer, 8) == 0, "and at its end");
	close(ends[0]);
}

static void full_pipes(void)
{
	static char block[4096];
	int ends[2], size = 0;

	MUST(pipe2(ends, O_NONBLOCK));
	OK(fcntl(ends[0], F_GETFL) & O_NONBLOCK, "O_NONBLOCK is kept");
	MUST(control(EPOLL_CTL_ADD, ends[1], EPOLLOUT));
	OK(ready(ends[1]) == EPOLLOUT, "an empty pipe is writable");
	while (write(ends[1], block, sizeof block) > 0)
		size += sizeof block;
	OK(errno == EAGAIN && size == 65536, "a pipe holds 64 KiB");
	OK(ready(ends[1]) == 0, "a full one is not writable");
	MUST(read(ends[0], block, sizeof block));
	OK(ready(ends[1]) == EPOLLOUT, "with room it is again");
	close(ends[0]);
	OK(ready(ends[1]) & EPOLLERR, "without readers it is in error");
	close(ends[1]);
}

static void event_counters(void)
{
	uint64_t value = 0;
	int counter = eventfd(3, EFD_NONBLOCK | EFD_CLOEXEC);

	MUST(counter);
	MUST(control(EPOLL_CTL_ADD, counter, EPOLLIN | EPOLLOUT));
	OK(ready(counter) == (EPOLLIN | EPOLLOUT), "a counter that is not 0 is readable");
	OK(read(counter, &value, 8) == 8 && value == 3, "reading takes all of it");
	FAILS(read(counter, &value, 8), EAGAIN, "then there is nothing");
	OK(ready(counter) == EPOLLOUT, "nor is it readable");
	value = 2;
	OK(write(counter, &value, 8) == 8 && write(counter, &value, 8) == 8 && read(counter, &value, 8) == 8 && value == 4,
	   "writing adds");
	value = UINT64_MAX;
	FAILS(write(counter, &value, 8), EINVAL, "the largest number cannot be added");
	value = UINT64_MAX - 1;
	OK(write(counter, &value, 8) == 8, "the next smaller can");
	value = 1;
	FAILS(write(counter, &value, 8), EAGAIN, "a full counter takes no more");
	value = 0;
	OK(write(counter, &value, 8) == 8, "save nothing");
	value = UINT64_MAX;
	FAILS(write(counter, &value, 8), EINVAL, "and what can never be added is refused, full or not");
	OK(ready(counter) == EPOLLIN, "nor is it writable");
	FAILS(write(counter, &value, 4), EINVAL, "a number has 8 bytes");
	close(counter);

	counter = eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK);
	OK(read(counter, &value, 8) == 8 && value == 1 && read(counter, &value, 8) == 8 && value == 1 &&
		   read(counter, &value, 8) == -1 && errno == EAGAIN,
	   "a semaphore is taken one by one");
	close(counter);
	FAILS(eventfd(0, 1 << 30), EINVAL, "unknown flags are refused");
}

static void *take_later(void *counter)
{
	static uint64_t taken;

	sleep_ms(50);
	MUST(read(*(int *)counter, &taken, 8));
	return &taken;
}

static void waiting_counters(void)
{
	uint64_t value = UINT64_MAX - 1;
	int counter = eventfd(0, 0);
	pthread_t thread;
	void *taken;

	MUST(write(counter, &value, 8));
	value = UINT64_MAX;
	FAILS(write(counter, &value, 8), EINVAL, "what can never be added does not wait for room");
	value = 7;
	MUST(-pthread_create(&thread, NULL, take_later, &counter));
	OK(write(counter, &value, 8) == 8, "what can be does");
	pthread_join(thread, &taken);
	OK(*(uint64_t *)taken == UINT64_MAX - 1, "until the counter is read");
	OK(read(counter, &value, 8) == 8 && value == 7, "and is in it then");
	close(counter);
}

static void *write_later(void *descriptor)
{
	sleep_ms(100);
	MUST(write(*(int *)descriptor, "12345678", 8));
	return NULL;
}

static void waiting(void)
{
	struct epoll_event event;
	struct timeval short_time = { 0, 50000 };
	pthread_t thread;
	int ends[2];
	int64_t start = now_ms();
	fd_set readable;
	char buffer[8];

	OK(epoll_wait(set, &event, 1, 50) == 0 && now_ms() - start >= 49, "a wait ends at its time-out");
	MUST(pipe(ends));
	MUST(control(EPOLL_CTL_ADD, ends[0], EPOLLIN));
	MUST(-pthread_create(&thread, NULL, write_later, &ends[1]));
	OK(epoll_wait(set, &event, 1, -1) == 1 && event.data.fd == ends[0], "another thread's write ends a wait");
	pthread_join(thread, NULL);
	MUST(read(ends[0], buffer, 8));

	struct pollfd polled[2] = { { ends[0], POLLIN, 0 }, { -1, POLLIN, 0 } };
	MUST(-pthread_create(&thread, NULL, write_later, &ends[1]));
	OK(poll(polled, 2, -1) == 1 && polled[0].revents == POLLIN && polled[1].revents == 0, "poll waits too");
	pthread_join(thread, NULL);
	polled[1].fd = 999;
	OK(poll(polled, 2, 0) == 2 && polled[1].revents == POLLNVAL, "poll tells what is no descriptor");
	MUST(read(ends[0], buffer, 8));

	FD_ZERO(&readable);
	FD_SET(ends[0], &readable);
	OK(select(ends[0] + 1, &readable, NULL, NULL, &short_time) == 0 && !FD_ISSET(ends[0], &readable), "select times out");
	MUST(-pthread_create(&thread, NULL, write_later, &ends[1]));
	FD_SET(ends[0], &readable);
	OK(select(ends[0] + 1, &readable, NULL, NULL, NULL) == 1 && FD_ISSET(ends[0], &readable), "select waits too");
	pthread_join(thread, NULL);

	int outer = epoll_create1(0);
	event.events = EPOLLIN;
	MUST(epoll_ctl(outer, EPOLL_CTL_ADD, set, &event));
	OK(epoll_wait(outer, &event, 1, 0) == 1, "a set within a set is ready when it has something");
	MUST(read(ends[0], buffer, 8));
	OK(epoll_wait(outer, &event, 1, 0) == 0, "and only then");
	event.events = EPOLLIN | EPOLLET;
	MUST(epoll_ctl(outer, EPOLL_CTL_MOD, set, &event));
	for (int round = 0; round < 2; round++) {
		MUST(write(ends[1], "a", 1));
		OK(epoll_wait(outer, &event, 1, 0) == 1, "an edge of a set within a set is told");
		OK(epoll_wait(outer, &event, 1, 0) == 0, "once");
	}
	MUST(read(ends[0], buffer, 8));
	MUST(write(ends[1], "a", 1));
	OK(epoll_wait(outer, &event, 1, 0) == 1, "at each arrival, though nobody waits for the inner one");
	MUST(read(ends[0], buffer, 8));
	close(outer);

	int twin = dup(ends[0]);
	MUST(control(EPOLL_CTL_ADD, twin, EPOLLIN));
	MUST(write(ends[1], "a", 1));
	struct epoll_event both[4];
	OK(epoll_wait(set, both, 4, 0) == 2, "a duplicate is a member of its own");
	close(twin);
	close(ends[0]);
	close(ends[1]);
}

static void socket_pairs(void)
{
	int pair[2];
	char buffer[8];

	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair));
	MUST(control(EPOLL_CTL_ADD, pair[0], EPOLLIN | EPOLLOUT | EPOLLRDHUP));
	OK(ready(pair[0]) == EPOLLOUT, "a fresh one is writable");
	OK(write(pair[0], "to", 2) == 2 && write(pair[1], "fro", 3) == 3, "both ends can be written");
	OK(ready(pair[0]) == (EPOLLIN | EPOLLOUT), "and become readable");
	OK(read(pair[1], buffer, 8) == 2 && recv(pair[0], buffer, 8, 0) == 3, "bytes go both ways");
	FAILS(read(pair[0], buffer, 8), EAGAIN, "an empty one does not wait");
	shutdown(pair[1], SHUT_WR);
	OK(ready(pair[0]) == (EPOLLIN | EPOLLOUT | EPOLLRDHUP), "half a close is told");
	OK(read(pair[0], buffer, 8) == 0, "and is the end of the bytes");
	close(pair[1]);
	OK(ready(pair[0]) & EPOLLHUP, "a whole close hangs up");
	FAILS(send(pair[0], "x", 1, MSG_NOSIGNAL), EPIPE, "nobody reads any more");
	close(pair[0]);
}

int main(void)
{
	MUST(set = epoll_create1(EPOLL_CLOEXEC));
	errors();
	pipes();
	full_pipes();
	event_counters();
	waiting_counters();
	waiting();
	socket_pairs();
	return tap_done();
}
