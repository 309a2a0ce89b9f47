/* SPDX-License-Identifier: MIT */
#include "host/work.h"
#include "host/block.h"
#include "sched/sched.h"
#include <pthread.h>

struct work {
	struct blk_task task; /* first: the pool gives it back */
	struct work *next;
	struct object *object;
	work_fn *job, *done;
	uint64_t arg;
	bool over;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t ended = PTHREAD_COND_INITIALIZER;
static struct work *all; /* not answered yet */

/* One of the object's, or of anyone's (NULL), out of the list if it is over. Under the lock. */
static struct work *find(const struct object *o, bool over)
{
	for (struct work **p = &all; *p; p = &(*p)->next) {
		struct work *w = *p;
		if ((o && w->object != o) || w->over != over)
			continue;
		if (over)
			*p = w->next;
		return w;
	}
	return NULL;
}

/* Inside the object's domain. */
static void deliver(void *self, uint64_t arg)
{
	struct work *w;
	(void)arg;
	do {
		pthread_mutex_lock(&lock);
		w = find(object_of(self), true);
		pthread_mutex_unlock(&lock);
		if (w)
			w->done(self, w->arg);
		g_free(w);
	} while (w);
}

static void run(struct blk_task *task)
{
	struct work *w = (struct work *)(void *)task;
	w->job(w->object->instance, w->arg);
	/* Under the lock: once it is over and unlocked, the object may go. */
	pthread_mutex_lock(&lock);
	w->over = true;
	sched_post(w->object->instance, deliver, 0);
	pthread_cond_broadcast(&ended);
	pthread_mutex_unlock(&lock);
}

void work_begin(void *self, work_fn *job, work_fn *done, uint64_t arg)
{
	struct work *w = g_new(struct work, 1);
	*w = (struct work){
		.task.run = run, .object = object_of(self), .job = job, .done = done, .arg = arg
	};
	pthread_mutex_lock(&lock);
	w->next = all;
	all = w;
	pthread_mutex_unlock(&lock);
	if (sched_is_deterministic())
		run(&w->task);
	else
		blk_pool_add(&w->task);
}

/* The next one that is over, or NULL: there is none under way. */
static struct work *wait_for(const struct object *o)
{
	struct work *w;
	pthread_mutex_lock(&lock);
	while (!(w = find(o, true)) && find(o, false))
		pthread_cond_wait(&ended, &lock);
	pthread_mutex_unlock(&lock);
	return w;
}

void work_drain(struct object *o)
{
	struct work *w;
	while ((w = wait_for(o)) != NULL) {
		struct domain *d = w->object->domain;
		/* Not inside, as before a save: nobody else is, so it can be entered. */
		bool inside = domain_inside(d);
		if (inside || domain_enter(d)) {
			w->done(w->object->instance, w->arg);
			if (!inside)
				domain_leave(d);
		}
		g_free(w);
	}
}

void work_forget(struct object *o)
{
	struct work *w;
	while ((w = wait_for(o)) != NULL)
		g_free(w);
}
