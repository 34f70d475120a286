/*
 * A server that others storm. It answers on TCP, and has ports of UDP that it does not read unless it is told to.
 *
 *	besieged [PORTS]
 *
 * TCP port 7000, and so many UDP ports from 2000. Each piece of bytes that comes on a connection is a question, answered by a line
 * of three numbers: KiB of free memory, datagrams, and on how many ports they were. If the first byte is `d`, the ports have been read
 * empty; else the last two are 0.
 */
#define _GNU_SOURCE
#include "memory.h"
#include "tap.h"
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TCP_PORT = 7000, FIRST_PORT = 2000, MOST_PORTS = 512, BACKLOG = 4096, EVENTS = 64 };

static int ports[MOST_PORTS];

static int bound(int kind, int port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
	int one = socket(AF_INET, kind | SOCK_NONBLOCK, 0);

	MUST(one);
	MUST(bind(one, (void *)&address, sizeof address));
	return one;
}

/* Reads what waits at a port; how many datagrams. */
static long drain(int port)
{
	char byte;
	long count = 0;

	while (recv(port, &byte, 1, 0) != -1)
		count++;
	return count;
}

/* Answers what came on a connection, or closes it. */
static void serve(int connection, int count)
{
	char question[64], answer[64];
	long datagrams = 0;
	int busy = 0;
	ssize_t length = recv(connection, question, sizeof question, 0);

	if (length == -1 && errno == EAGAIN)
		return;
	if (length <= 0) {
		close(connection);
		return;
	}
	for (int i = 0; *question == 'd' && i < count; i++) {
		long waited = drain(ports[i]);

		datagrams += waited;
		busy += waited > 0;
	}
	length = snprintf(answer, sizeof answer, "%ld %ld %d\n", free_kib(), datagrams, busy);
	/* An answer is small, and nobody asks before the last one came. */
	if (send(connection, answer, length, MSG_NOSIGNAL) != length)
		close(connection);
}

/* Takes a connection. Where there is no memory for it, it is for its client to come again. */
static void welcome(int listener, int set)
{
	int connection = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
	struct epoll_event event = { EPOLLIN, { .fd = connection } };

	if (connection != -1 && epoll_ctl(set, EPOLL_CTL_ADD, connection, &event) == -1)
		close(connection);
}

int main(int argc, char **argv)
{
	int count = argc > 1 ? atoi(argv[1]) : 0, listener, set;
	struct epoll_event event = { EPOLLIN, { 0 } }, events[EVENTS];
	struct rlimit limit;

	MUST(getrlimit(RLIMIT_NOFILE, &limit));
	limit.rlim_cur = limit.rlim_max;
	MUST(setrlimit(RLIMIT_NOFILE, &limit));
	MUST(count <= MOST_PORTS ? 0 : -1);
	for (int i = 0; i < count; i++)
		ports[i] = bound(SOCK_DGRAM, FIRST_PORT + i);
	listener = event.data.fd = bound(SOCK_STREAM, TCP_PORT);
	MUST(listen(listener, BACKLOG));
	MUST(set = epoll_create1(0));
	MUST(epoll_ctl(set, EPOLL_CTL_ADD, listener, &event));
	printf("listening, free %ld KiB\n", free_kib());
	fflush(stdout);
	for (;;) {
		int ready = epoll_wait(set, events, EVENTS, -1);

		for (int i = 0; i < ready; i++)
			if (events[i].data.fd == listener)
				welcome(listener, set);
			else
				serve(events[i].data.fd, count);
	}
}
