/* A thread's way out from any depth: back to where it began, over frames of C alone. */
#include "rumpuser.h"

/* Of the crate: where the calling thread began; the second does not return in a thread that was not begun here. */
void rumpuser_c_thread_began(void **place);
void **rumpuser_c_thread_leave(void);

void rumpuser_c_thread_run(void *(*function)(void *), void *argument)
{
	void *place[5];

	if (__builtin_setjmp(place) == 0) {
		rumpuser_c_thread_began(place);
		function(argument);
	}
}

void rumpuser_thread_exit(void)
{
	__builtin_longjmp(rumpuser_c_thread_leave(), 1);
}
