/* Counts the words of a file: count FILE. The environment's WHAT says what to call them. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	const char *what = getenv("WHAT");
	FILE *file;
	int letter, inside = 0;
	long words = 0;

	if (argc != 2) {
		fprintf(stderr, "usage: count FILE\n");
		return 2;
	}
	file = fopen(argv[1], "r");
	if (!file) {
		perror(argv[1]);
		return 1;
	}
	while ((letter = getc(file)) != EOF) {
		if (!isspace(letter) && !inside)
			words++;
		inside = !isspace(letter);
	}
	fclose(file);
	printf("%ld %s\n", words, what ? what : "things");
	return 0;
}
