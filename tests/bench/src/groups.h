/* Groups of processes whose CPU and memory are taken while load runs (worker, recorder, ...). */
#ifndef GROUPS_H
#define GROUPS_H

#include <stdio.h>

/* CPU seconds a process has used so far, all its threads; 0 when it is gone. */
double cpu_seconds(int pid);

/* "NAME=PID,PID": ends the program when it is not that. */
void groups_add(char *argument);

void groups_rest(void);   /* before any load: memory at rest */
void groups_begin(void);  /* the window begins: CPU clocks are read */
void groups_sample(void); /* now and then inside the window: memory */
void groups_end(void);    /* the window ends */

/* "groups":{"NAME":{"cpu_s":..,"rss_before":..,...}} in seconds and bytes. */
void groups_print(FILE *to);

#endif
