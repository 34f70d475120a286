/*
 * Takes all it can get of each thing that a program can ask the kernel for. In the end it is refused with an error that the call
 * may give, the program goes on, and what it gives back can be had again.
 */
#define _GNU_SOURCE
#include "memory.h"
#include "tap.h"
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

/* Where there is memory for more, it is enough; of what is filled fewer are. */
enum { MOST = 20000, SETS = 5000, FILLED = 2000, PORTS = 128, FIRST_PORT = 2000, RUNNING = 300, PARTS = 1000 };

static int descriptors[MOST + 1];
static void *areas[MOST];
static pthread_t threads[RUNNING];
static char data[65536];

/* What a call may say that finds no memory, or no place in a table. */
static int is_refusal(int error)
{
	return error == ENOMEM || error == ENOBUFS || error == ENFILE || error == EMFILE || error == EAGAIN || error == ENOSPC;
}

/* The program can still have memory of its own: pages that it has not touched before. */
static int goes_on(void)
{
	static volatile char room[100 * 4096];
	static size_t touched;

	for (int page = 0; page < 4; page++, touched += 4096)
		room[touched] = 1;
	return room[touched - 4096] == 1;
}

static void close_all(int count)
{
	while (count > 0)
		close(descriptors[--count]);
}

/* Makes descriptors until one is refused; how many. */
static int sockets(void)
{
	int count = 0;

	while (count < MOST && (descriptors[count] = socket(AF_INET, count % 2 ? SOCK_DGRAM : SOCK_STREAM, 0)) != -1)
		count++;
	return count;
}

static int events(void)
{
	int count = 0;

	while (count < MOST && (descriptors[count] = eventfd(1, EFD_NONBLOCK)) != -1)
		count++;
	return count;
}

static int timers(void)
{
	struct itimerspec soon = { { 1000, 0 }, { 1000, 0 } };
	int count = 0;

	while (count < MOST && (descriptors[count] = timerfd_create(CLOCK_MONOTONIC, 0)) != -1) {
		count++;
		if (timerfd_settime(descriptors[count - 1], 0, &soon, NULL) == -1)
			break;
	}
	return count;
}

/* All have the same event as their member. */
static int sets(void)
{
	struct epoll_event event = { EPOLLIN, { 0 } };
	int count = 0;

	if ((descriptors[count] = eventfd(1, 0)) == -1)
		return 0;
	for (count = 1; count < SETS && (descriptors[count] = epoll_create1(0)) != -1;) {
		count++;
		if (epoll_ctl(descriptors[count - 1], EPOLL_CTL_ADD, descriptors[0], &event) == -1)
			break;
	}
	return count;
}

/* One set with as many members as can be had. */
static int members(void)
{
	struct epoll_event event = { EPOLLIN, { 0 } };
	int count = 0, set;

	if ((set = descriptors[count++] = epoll_create1(0)) == -1)
		return 0;
	while (count < MOST && (descriptors[count] = eventfd(1, 0)) != -1) {
		count++;
		if (epoll_ctl(set, EPOLL_CTL_ADD, descriptors[count - 1], &event) == -1)
			break;
	}
	return count;
}

/* Fills a descriptor with pieces of a size until it takes no more. */
static void fill(int descriptor, size_t size)
{
	while (write(descriptor, data, size) > 0)
		;
}

static int pipes(void)
{
	int count = 0;

	while (count < FILLED && pipe2(descriptors + count, O_NONBLOCK) == 0) {
		fill(descriptors[count + 1], sizeof data);
		count += 2;
	}
	return count;
}

static int pairs(int type, size_t size)
{
	int count = 0;

	while (count < FILLED && socketpair(AF_UNIX, type | SOCK_NONBLOCK, 0, descriptors + count) == 0) {
		fill(descriptors[count + 1], size);
		count += 2;
	}
	return count;
}

static int datagrams(void)
{
	return pairs(SOCK_DGRAM, 1);
}

static int streams(void)
{
	return pairs(SOCK_STREAM, 4096);
}

/* Ports of UDP that are sent more than they keep. */
static int ports(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int count = 0, sender;

	if ((sender = descriptors[count++] = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0)) == -1)
		return 0;
	for (int port = 0; port < PORTS && (descriptors[count] = socket(AF_INET, SOCK_DGRAM, 0)) != -1; port++) {
		address.sin_port = htons(FIRST_PORT + port);
		if (bind(descriptors[count++], (void *)&address, sizeof address) == -1)
			break;
		for (int sent = 0; sent < 400; sent++)
			sendto(sender, data, sent % 2 ? 1000 : 0, 0, (void *)&address, sizeof address);
	}
	/* What does not fit is dropped. */
	errno = ENOBUFS;
	return count;
}

static int mappings(void)
{
	int count = 0;

	while (count < MOST && (areas[count] = mmap(NULL, 4096, count % 2 ? PROT_READ : PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
						   0)) != MAP_FAILED)
		count++;
	return count;
}

static void unmap_all(int count)
{
	while (count > 0)
		munmap(areas[--count], 4096);
}

static int barrier[2];

static void *waits(void *unused)
{
	char byte;

	(void)unused;
	return (void *)read(barrier[0], &byte, 1);
}

static int running(void)
{
	pthread_attr_t attributes;
	int count = 0, error = 0;

	MUST(pipe(barrier));
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 16384);
	while (count < RUNNING && !(error = pthread_create(&threads[count], &attributes, waits, NULL)))
		count++;
	errno = error;
	return count;
}

static void join_all(int count)
{
	close(barrier[1]);
	while (count > 0)
		pthread_join(threads[--count], NULL);
	close(barrier[0]);
}

static int files(void)
{
	char name[32];
	int count = 0;

	for (; count < MOST; count++) {
		snprintf(name, sizeof name, "file-%d", count);
		int file = open(name, O_WRONLY | O_CREAT, 0600);
		if (file == -1)
			break;
		ssize_t written = write(file, data, count % 2 ? 10 : 6000);
		close(file);
		if (written == -1) {
			int error = errno;
			count++;
			errno = error;
			break;
		}
	}
	return count;
}

static void unlink_all(int count)
{
	char name[32];

	while (count > 0) {
		snprintf(name, sizeof name, "file-%d", --count);
		unlink(name);
	}
}

static int one_file(void)
{
	int file = open("file-0", O_WRONLY | O_CREAT, 0600), count = 0;

	MUST(file);
	while (count < PARTS && write(file, data, sizeof data) > 0)
		count++;
	close(file);
	return count;
}

static void unlink_one(int count)
{
	(void)count;
	unlink("file-0");
}

static const struct thing {
	const char *name;
	int most;
	int (*take)(void);
	void (*give)(int count);
} things[] = {
	{ "sockets", MOST, sockets, close_all },
	{ "events", MOST, events, close_all },
	{ "timers", MOST, timers, close_all },
	{ "epoll sets", SETS, sets, close_all },
	{ "members of a set", MOST, members, close_all },
	{ "pipes", FILLED, pipes, close_all },
	{ "datagrams of one byte", FILLED, datagrams, close_all },
	{ "streams", FILLED, streams, close_all },
	{ "ports with datagrams", PORTS + 1, ports, close_all },
	{ "mappings", MOST, mappings, unmap_all },
	{ "threads", RUNNING, running, join_all },
	{ "files", MOST, files, unlink_all },
	{ "parts of a file", PARTS, one_file, unlink_one },
};

static void exhaust(const struct thing *thing)
{
	char name[128];
	int64_t start = now_ms();
	int first = thing->take(), error = errno;

	int on = goes_on();
	thing->give(first);
	printf("# %d %s in %d ms, then errno %d, free %ld KiB\n", first, thing->name, (int)(now_ms() - start), error, free_kib());
	snprintf(name, sizeof name, "%s run out with an error, if at all", thing->name);
	errno = error;
	OK(first > 0 && (first >= thing->most || is_refusal(error)), name);
	snprintf(name, sizeof name, "without %s the program goes on", thing->name);
	OK(on, name);
	int second = thing->take();
	thing->give(second);
	snprintf(name, sizeof name, "as many %s can be had again", thing->name);
	OK(second >= first - first / 8 - 1, name);
}

int main(void)
{
	static char folder[] = "/tmp/exhaust-XXXXXX";
	struct rlimit limit;

	MUST(getrlimit(RLIMIT_NOFILE, &limit));
	limit.rlim_cur = limit.rlim_max < MOST + 100 ? limit.rlim_max : MOST + 100;
	MUST(setrlimit(RLIMIT_NOFILE, &limit));
	if (!mkdtemp(folder))
		MUST(-1);
	MUST(chdir(folder));
	/* From here on the program needs no memory of its own. */
	memset(descriptors, 0xff, sizeof descriptors);
	memset(areas, 0xff, sizeof areas);
	memset(threads, 0xff, sizeof threads);
	memset(data, 'x', sizeof data);
	long before = free_kib();
	printf("# free %ld KiB\n", before);
	for (size_t index = 0; index < sizeof things / sizeof *things; index++)
		exhaust(&things[index]);
	MUST(chdir("/"));
	OK(rmdir(folder) == 0, "nothing is left");
	long after = free_kib();
	printf("# free %ld KiB\n", after);
	OK(is_large() || after >= before - 512, "all memory is back");
	return tap_done();
}
