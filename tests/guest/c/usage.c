/* What a program may take and what it has taken: getrlimit(2), getrusage(2), the clocks of CPU time. */
#define _GNU_SOURCE
#include "tap.h"
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* Descriptors 0 to 2 are open, and no others. */
static void descriptors(void)
{
	enum { LIMIT = 8 };
	struct rlimit limit = { LIMIT, 64 }, old;
	struct pollfd polled[LIMIT + 1];
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t size = sizeof address;
	int ends[2], listener, client, server, opened = 0;

	for (int i = 0; i <= LIMIT; i++)
		polled[i] = (struct pollfd){ -1, 0, 0 };
	MUST(listener = socket(AF_INET, SOCK_STREAM, 0));
	MUST(bind(listener, (void *)&address, sizeof address));
	MUST(listen(listener, 4));
	MUST(getsockname(listener, (void *)&address, &size));
	MUST(client = socket(AF_INET, SOCK_STREAM, 0));
	MUST(connect(client, (void *)&address, sizeof address));
	OK(prlimit(0, RLIMIT_NOFILE, &limit, &old) == 0 && old.rlim_cur >= 64, "the number of descriptors can be limited");
	while (open("/dev/null", O_RDONLY) >= 0)
		opened++;
	OK(errno == EMFILE && opened == LIMIT - 5, "up to the limit they can be had");
	FAILS(open("/tmp/usage-test", O_RDWR | O_CREAT, 0600), EMFILE, "not beyond");
	FAILS(access("/tmp/usage-test", F_OK), ENOENT, "nor is a file made for it");
	FAILS(socket(AF_INET, SOCK_STREAM, 0), EMFILE, "nor is there a socket");
	FAILS(pipe(ends), EMFILE, "nor a pipe");
	FAILS(eventfd(0, 0), EMFILE, "nor a counter");
	FAILS(epoll_create1(0), EMFILE, "nor a set");
	FAILS(dup(0), EMFILE, "nor a duplicate");
	FAILS(fcntl(0, F_DUPFD, 5), EMFILE, "wherever it begins to look");
	FAILS(fcntl(0, F_DUPFD, LIMIT), EINVAL, "which cannot be beyond");
	FAILS(dup2(0, LIMIT), EBADF, "a number beyond is none");
	FAILS(dup3(0, LIMIT, 0), EBADF, "whoever asks");
	OK(dup2(0, LIMIT - 1) == LIMIT - 1, "the last one can be replaced");
	FAILS(accept(listener, NULL, NULL), EMFILE, "nor is a connection accepted");
	close(LIMIT - 1);
	OK((server = accept(listener, NULL, NULL)) == LIMIT - 1, "it waits until there is room");
	OK(write(client, "a", 1) == 1 && read(server, &address, 1) == 1, "and is whole");
	FAILS(poll(polled, LIMIT + 1, 0), EINVAL, "a list of more than the limit cannot be polled");
	OK(poll(polled, LIMIT, 0) == 0, "one of as many can");
	limit.rlim_cur = 4;
	OK(setrlimit(RLIMIT_NOFILE, &limit) == 0 && write(client, "b", 1) == 1 && write(server, "c", 1) == 1,
	   "what is open beyond a new limit stays");
	close(server);
	limit.rlim_cur = 65;
	FAILS(setrlimit(RLIMIT_NOFILE, &limit), EINVAL, "a limit is not above its maximum");
	limit.rlim_cur = 64;
	OK(setrlimit(RLIMIT_NOFILE, &limit) == 0 && dup(0) == LIMIT - 1, "and can be raised to it");
	for (int i = 3; i < 64; i++)
		close(i);
}

int main(void)
{
	for (int i = 3; i < 64; i++)
		close(i);
	descriptors();
	return tap_done();
}
