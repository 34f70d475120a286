/* A listener on the loopback network, and connections to it. */
#ifndef LOOPBACK_H
#define LOOPBACK_H

#include "tap.h"
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

/* That of the last listener. */
static struct sockaddr_in address;

/* A listening socket; its address goes to `address`. */
static inline int listening(int backlog)
{
	socklen_t size = sizeof address;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	MUST(listener);
	address = (struct sockaddr_in){ AF_INET, 0, { htonl(INADDR_LOOPBACK) }, { 0 } };
	MUST(bind(listener, (void *)&address, sizeof address));
	MUST(listen(listener, backlog));
	MUST(getsockname(listener, (void *)&address, &size));
	return listener;
}

static inline int connected(void)
{
	int stream = socket(AF_INET, SOCK_STREAM, 0);

	MUST(stream);
	MUST(connect(stream, (void *)&address, sizeof address));
	return stream;
}

/* Which of the `wanted` events there are within `wait` ms. */
static inline int events(int descriptor, int wanted, int wait)
{
	struct pollfd polled = { descriptor, wanted, 0 };

	return poll(&polled, 1, wait) == 1 ? polled.revents : 0;
}

#endif
