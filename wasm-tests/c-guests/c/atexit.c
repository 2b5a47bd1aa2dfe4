/* A C library that cleans up at exit. */
#include <locale.h>
#include <stdlib.h>

void note_exit(void);

/* More calls than libc has room for without allocating; 0 where it takes them all, under a locale of its own. */
int clean_up_at_exit(int calls) {
    locale_t locale = newlocale(LC_CTYPE_MASK, "somewhere", (locale_t)0);
    int refused = !locale;
    if (locale)
        freelocale(locale);
    while (calls-- > 0)
        refused |= atexit(note_exit);
    return refused;
}
