/*
 * Connections in bursts of 1,500, opened together and closed together: none fails, and no memory stays taken.
 *
 *	burst [BURSTS]
 */
#define _GNU_SOURCE
#include "memory.h"
#include "tap.h"
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BURST = 1500, USUAL = 6, BACKLOG = 4096 };

static int clients[BURST], servers[BURST];
static struct sockaddr_in address = { .sin_family = AF_INET };

/* Its end forgets the connection at once: those that wait for late segments would use up the ports. */
static void reset(int connection)
{
	struct linger none = { 1, 0 };

	setsockopt(connection, SOL_SOCKET, SO_LINGER, &none, sizeof none);
	close(connection);
}

/* One burst; how many connections were good. */
static int burst(int listener)
{
	int good = 0;
	char byte;

	for (int i = 0; i < BURST; i++) {
		MUST(clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
		if (connect(clients[i], (void *)&address, sizeof address) == -1 && errno != EINPROGRESS)
			MUST(-1);
		if (send(clients[i], "?", 1, MSG_NOSIGNAL) == -1 && errno != EAGAIN && errno != ENOTCONN)
			MUST(-1);
	}
	for (int i = 0; i < BURST; i++) {
		MUST(servers[i] = accept(listener, NULL, NULL));
		MUST(send(servers[i], "!", 1, MSG_NOSIGNAL));
	}
	for (int i = 0; i < BURST; i++) {
		struct pollfd answer = { .fd = clients[i], .events = POLLIN };

		good += poll(&answer, 1, 60000) == 1 && recv(clients[i], &byte, 1, 0) == 1 && byte == '!';
	}
	for (int i = 0; i < BURST; i++) {
		reset(clients[i]);
		close(servers[i]);
	}
	return good;
}

int main(int argc, char **argv)
{
	int bursts = argc > 1 ? atoi(argv[1]) : USUAL, good = 0;
	struct rlimit limit = { 2 * BURST + 100, 2 * BURST + 100 }, old;
	socklen_t length = sizeof address;
	int listener;

	MUST(getrlimit(RLIMIT_NOFILE, &old));
	if (old.rlim_cur < limit.rlim_cur) {
		limit.rlim_max = old.rlim_max;
		MUST(setrlimit(RLIMIT_NOFILE, &limit));
	}
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	MUST(listener = socket(AF_INET, SOCK_STREAM, 0));
	MUST(bind(listener, (void *)&address, sizeof address));
	MUST(getsockname(listener, (void *)&address, &length));
	MUST(listen(listener, BACKLOG));
	good += burst(listener);
	long before = free_kib(), least = before;
	for (int i = 1; i < bursts; i++) {
		good += burst(listener);
		long now = free_kib();
		if (now < least)
			least = now;
	}
	sleep_ms(1000);
	long after = free_kib();
	printf("# %d bursts, free %ld KiB after the first, %ld at least, %ld in the end\n", bursts, before, least, after);
	OK(good == bursts * BURST, "no connection fails");
	OK(is_large() || after >= before - 128, "after the last burst as much memory is free as after the first");
	return tap_done();
}
