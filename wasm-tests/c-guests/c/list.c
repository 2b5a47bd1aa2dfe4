/* A C library that allocates, without a C library of its own: the allocation family is all that it needs. */
#include <stddef.h>
#include <stdint.h>

void *malloc(size_t size);
void *calloc(size_t count, size_t size);
void *realloc(void *block, size_t size);
void free(void *block);
void *aligned_alloc(size_t align, size_t size);
int posix_memalign(void **out, size_t align, size_t size);
size_t malloc_usable_size(void *block);

struct node {
    struct node *next;
    uint32_t value;
};

/* The sum of the numbers below count, kept in a list of as many nodes; 0 where memory runs out. */
uint32_t list_sum(uint32_t count) {
    struct node *head = NULL;
    uint32_t sum = 0;
    int whole = 1;
    for (uint32_t value = 0; value < count; value++) {
        struct node *node = malloc(sizeof *node);
        if (!node) {
            whole = 0;
            break;
        }
        node->next = head;
        node->value = value;
        head = node;
    }
    while (head) {
        struct node *next = head->next;
        sum += head->value;
        free(head);
        head = next;
    }
    return whole ? sum : 0;
}

/* Calls the rest of the family; 1 where each does as C says. */
int family_is_whole(void) {
    unsigned char *zeroed = calloc(100, 3);
    unsigned char *page = aligned_alloc(4096, 4096);
    void *aligned = NULL;
    if (!zeroed || !page || posix_memalign(&aligned, 256, 100) != 0)
        return 0;
    if ((uintptr_t)page % 4096 || (uintptr_t)aligned % 256)
        return 0;
    for (size_t at = 0; at < 300; at++)
        if (zeroed[at])
            return 0;
    zeroed[299] = 7;
    zeroed = realloc(zeroed, 100000);
    if (!zeroed || zeroed[299] != 7 || malloc_usable_size(zeroed) < 100000)
        return 0;
    free(zeroed);
    free(page);
    free(aligned);
    return 1;
}

/* Takes a block and keeps it; where it stands. */
uintptr_t keep(size_t size) {
    return (uintptr_t)malloc(size);
}
