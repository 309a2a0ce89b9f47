/* SPDX-License-Identifier: MIT */
/* Threads for requests that block: as many as there is work, up to a bound; idle ones wait. */
#include "block.h"
#include <pthread.h>

enum { THREADS_MAX = 64 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t work = PTHREAD_COND_INITIALIZER, ended = PTHREAD_COND_INITIALIZER;
static struct blk_task *first, **last = &first;
static unsigned threads, idle, queued;
static bool finishing;

static void *worker(void *arg)
{
	(void)arg;
	pthread_mutex_lock(&lock);
	for (;;) {
		while (!first && !finishing) {
			idle++;
			pthread_cond_wait(&work, &lock);
			idle--;
		}
		struct blk_task *t = first;
		if (!t)
			break;
		first = t->next;
		if (!first)
			last = &first;
		queued--;
		pthread_mutex_unlock(&lock);
		t->run(t);
		pthread_mutex_lock(&lock);
	}
	if (!--threads)
		pthread_cond_signal(&ended);
	pthread_mutex_unlock(&lock);
	return NULL;
}

void blk_pool_add(struct blk_task *t)
{
	pthread_t thread;
	pthread_mutex_lock(&lock);
	t->next = NULL;
	*last = t;
	last = &t->next;
	queued++;
	if (queued > idle && threads < THREADS_MAX &&
		!pthread_create(&thread, NULL, worker, NULL)) {
		pthread_detach(thread);
		threads++;
	}
	bool none = !threads;
	pthread_cond_signal(&work);
	pthread_mutex_unlock(&lock);
	/* Not even one thread: then this one does it. */
	if (none && blk_pool_remove(t))
		t->run(t);
}

bool blk_pool_remove(struct blk_task *t)
{
	bool found = false;
	pthread_mutex_lock(&lock);
	for (struct blk_task **p = &first; *p && !found; p = &(*p)->next) {
		if (*p != t)
			continue;
		*p = t->next;
		if (!*p)
			last = p;
		queued--;
		found = true;
		break;
	}
	pthread_mutex_unlock(&lock);
	return found;
}

void blk_pool_finish(void)
{
	pthread_mutex_lock(&lock);
	finishing = true;
	pthread_cond_broadcast(&work);
	while (threads)
		pthread_cond_wait(&ended, &lock);
	finishing = false;
	pthread_mutex_unlock(&lock);
}
