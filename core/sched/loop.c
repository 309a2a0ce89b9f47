/* SPDX-License-Identifier: MIT */
/* The main loop: descriptors, posted work, timers, and what objects asked of the machine. */
#include "clock.h"
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

struct bp_watch {
	struct object *object;
	int fd;
	unsigned events;
	void (*ready)(void *self, int fd, unsigned events);
	bool dead;
};

struct post {
	struct object *object;
	void (*fn)(void *self, uint64_t arg);
	uint64_t arg;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static GPtrArray *watches;
static GQueue posts = G_QUEUE_INIT;
static int wake_fd = -1;
static _Atomic(bool) woken;
static _Atomic(unsigned) signalled; /* requests of signal handlers, as in `requested` */

static struct sched_machine_ops machine_ops;
static unsigned pause_depth; /* main loop only */
static bool user_paused;
/* Requests not yet carried out: bits by enum bp_request; the code of the first that ends the run. */
static unsigned requested;
static int exit_code;

void loop_wake(void)
{
	uint64_t one = 1;
	if (!atomic_exchange(&woken, true) && wake_fd >= 0 && write(wake_fd, &one, sizeof(one)) < 0)
		return; /* the counter is full: it is readable already */
}

bp_watch *sched_watch_new(
	void *self, int fd, unsigned events, void (*ready)(void *self, int fd, unsigned events))
{
	bp_watch *w = g_new0(bp_watch, 1);
	*w = (bp_watch){ .object = object_of(self), .fd = fd, .events = events, .ready = ready };
	pthread_mutex_lock(&lock);
	if (!watches)
		watches = g_ptr_array_new();
	g_ptr_array_add(watches, w);
	pthread_mutex_unlock(&lock);
	loop_wake();
	return w;
}

void sched_watch_set(bp_watch *w, unsigned events)
{
	if (!w)
		return;
	pthread_mutex_lock(&lock);
	bool changed = w->events != events;
	w->events = events;
	pthread_mutex_unlock(&lock);
	if (changed)
		loop_wake();
}

void sched_watch_free(bp_watch *w)
{
	if (!w)
		return;
	pthread_mutex_lock(&lock);
	w->dead = true; /* the main loop may hold it in this round: it frees the dead */
	pthread_mutex_unlock(&lock);
	loop_wake();
}

void sched_post(void *self, void (*fn)(void *self, uint64_t arg), uint64_t arg)
{
	struct post *p = g_new(struct post, 1);
	*p = (struct post){ object_of(self), fn, arg };
	pthread_mutex_lock(&lock);
	g_queue_push_tail(&posts, p);
	pthread_mutex_unlock(&lock);
	loop_wake();
	sched_leave();
}

void sched_forget(struct object *o)
{
	timers_forget(o);
	pthread_mutex_lock(&lock);
	for (unsigned i = 0; watches && i < watches->len; i++) {
		bp_watch *w = g_ptr_array_index(watches, i);
		if (w->object == o)
			w->dead = true;
	}
	for (GList *l = posts.head, *next; l; l = next) {
		next = l->next;
		if (((struct post *)l->data)->object == o) {
			g_free(l->data);
			g_queue_delete_link(&posts, l);
		}
	}
	pthread_mutex_unlock(&lock);
}

void sched_set_machine(const struct sched_machine_ops *ops)
{
	machine_ops = *ops;
}

void sched_request(const void *self, int request, int code)
{
	(void)self;
	if (request < BP_REQ_POWEROFF || request > BP_REQ_SAVE)
		return;
	pthread_mutex_lock(&lock);
	bool ends = request == BP_REQ_POWEROFF || request == BP_REQ_QUIT;
	if (ends && !(requested & (1u << BP_REQ_POWEROFF | 1u << BP_REQ_QUIT)))
		exit_code = code;
	requested |= 1u << request;
	pthread_mutex_unlock(&lock);
	loop_wake();
	sched_leave();
}

void sched_request_signal(int request)
{
	atomic_fetch_or(&signalled, 1u << request);
	loop_wake();
}

bool sched_paused(void)
{
	return pause_depth > 0;
}

void sched_pause(void)
{
	if (pause_depth++ == 0) {
		cpus_park();
		clock_stop();
	}
}

void sched_resume(void)
{
	if (pause_depth && --pause_depth == 0) {
		clock_start();
		cpus_unpark();
	}
}

static unsigned take_requests(void)
{
	pthread_mutex_lock(&lock);
	unsigned todo = requested | atomic_exchange(&signalled, 0);
	requested = todo & (1u << BP_REQ_POWEROFF | 1u << BP_REQ_QUIT);
	pthread_mutex_unlock(&lock);
	return todo;
}

/* A guest may ask again until its CPUs stand: it is the same reset. */
static void forget_resets(void)
{
	pthread_mutex_lock(&lock);
	requested &= ~(1u << BP_REQ_RESET);
	pthread_mutex_unlock(&lock);
}

/* Returns requests that came while the machine came to rest: the guest's are part of its state, so
 * that a reset comes before the save. */
static unsigned save(void)
{
	unsigned more;
	sched_pause();
	loop_settle();
	more = take_requests();
	if (more & 1u << BP_REQ_RESET)
		more |= 1u << BP_REQ_SAVE;
	else if (more & 1u << BP_REQ_POWEROFF)
		g_printerr("backplane: the machine powers itself off, so it was not saved\n");
	else if (machine_ops.save)
		machine_ops.save(machine_ops.machine);
	sched_resume();
	return more;
}

/* Returns true when the run ends. */
static bool carry_out_requests(void)
{
	unsigned todo = take_requests();
	if (todo & 1u << BP_REQ_SAVE && !(todo & 1u << BP_REQ_RESET))
		todo = (todo & ~(1u << BP_REQ_SAVE)) | save();
	if (todo & (1u << BP_REQ_POWEROFF | 1u << BP_REQ_QUIT))
		return true;
	if (todo & 1u << BP_REQ_RESET && machine_ops.reset) {
		sched_pause();
		forget_resets();
		machine_ops.reset(machine_ops.machine);
		turns_reset();
		sched_resume();
		/* What waited for the reset. */
		if (todo & 1u << BP_REQ_SAVE)
			sched_request(NULL, BP_REQ_SAVE, 0);
	}
	if (todo & 1u << BP_REQ_PAUSE && !user_paused) {
		user_paused = true;
		sched_pause();
	}
	if (todo & 1u << BP_REQ_RESUME && user_paused) {
		user_paused = false;
		sched_resume();
	}
	return false;
}

void loop_posts(void)
{
	pthread_mutex_lock(&lock);
	unsigned n = posts.length; /* those that are here now; more come in the next round */
	pthread_mutex_unlock(&lock);
	while (n--) {
		pthread_mutex_lock(&lock);
		struct post *p = g_queue_pop_head(&posts);
		pthread_mutex_unlock(&lock);
		if (!p)
			return;
		if (domain_enter(p->object->domain)) {
			p->fn(p->object->instance, p->arg);
			domain_leave(p->object->domain);
		}
		g_free(p);
	}
}

void loop_settle(void)
{
	enum { ROUNDS = 1000 };
	unsigned n = 1;
	for (int i = 0; i < ROUNDS && n; i++) {
		pthread_mutex_lock(&lock);
		n = posts.length;
		pthread_mutex_unlock(&lock);
		if (n)
			loop_posts();
	}
}

static const struct {
	unsigned event;
	short poll;
} events_table[] = { { 1, POLLIN }, { 2, POLLOUT }, { 4, POLLHUP } };

static GArray *collect(GPtrArray *round)
{
	GArray *fds = g_array_new(FALSE, TRUE, sizeof(struct pollfd));
	struct pollfd wake = { .fd = wake_fd, .events = POLLIN };
	g_array_append_val(fds, wake);
	pthread_mutex_lock(&lock);
	for (unsigned i = 0; watches && i < watches->len;) {
		bp_watch *w = g_ptr_array_index(watches, i);
		if (w->dead) {
			g_free(w);
			g_ptr_array_remove_index(watches, i);
			continue;
		}
		struct pollfd p = { .fd = w->events ? w->fd : -1 };
		for (unsigned k = 0; k < G_N_ELEMENTS(events_table); k++)
			if (w->events & events_table[k].event)
				p.events |= events_table[k].poll;
		g_array_append_val(fds, p);
		g_ptr_array_add(round, w);
		i++;
	}
	pthread_mutex_unlock(&lock);
	return fds;
}

static void serve(bp_watch *w, short revents)
{
	unsigned events = 0;
	if (revents & (POLLIN | POLLHUP | POLLERR))
		events |= 1;
	if (revents & POLLOUT)
		events |= 2;
	if (revents & (POLLHUP | POLLERR | POLLNVAL))
		events |= 4;
	if (!domain_enter(w->object->domain))
		return;
	pthread_mutex_lock(&lock);
	bool alive = !w->dead;
	events &= w->events;
	pthread_mutex_unlock(&lock);
	if (alive && events)
		w->ready(w->object->instance, w->fd, events);
	domain_leave(w->object->domain);
}

void loop_serve(int64_t ns)
{
	GPtrArray *round = g_ptr_array_new();
	GArray *fds = collect(round);
	struct timespec wait = { .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };
	int n = ppoll((struct pollfd *)(void *)fds->data, fds->len, ns < 0 ? NULL : &wait, NULL);
	if (g_array_index(fds, struct pollfd, 0).revents) {
		uint64_t count;
		if (read(wake_fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
			g_printerr("backplane: the wake-up descriptor cannot be read\n");
		/* Only now: who finds it set until here has its work seen further down. */
		atomic_store(&woken, false);
	}
	for (unsigned i = 0; n > 0 && i < round->len; i++) {
		short revents = g_array_index(fds, struct pollfd, i + 1).revents;
		if (revents)
			serve(g_ptr_array_index(round, i), revents);
	}
	g_array_free(fds, TRUE);
	g_ptr_array_free(round, TRUE);
	loop_posts();
}

int sched_run(void)
{
	wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (wake_fd < 0) {
		g_printerr("backplane: the host gives no eventfd for the main loop\n");
		return 1;
	}
	atomic_store(&woken, false);
	bool turns = sched_is_deterministic();
	if (turns) {
		turns_begin();
	} else {
		clock_start();
		cpus_start();
		loop_wake(); /* what was posted before there was a loop */
	}
	while (!carry_out_requests()) {
		if (turns)
			turns_round();
		else
			loop_serve(timers_run());
	}
	if (turns)
		turns_end();
	if (user_paused) {
		user_paused = false;
		sched_resume();
	}
	return exit_code;
}

void sched_stop(void)
{
	cpus_stop();
	clock_stop();
}

void sched_finish(void)
{
	turns_finish();
	pthread_mutex_lock(&lock);
	for (unsigned i = 0; watches && i < watches->len; i++)
		g_free(g_ptr_array_index(watches, i));
	if (watches)
		g_ptr_array_free(watches, TRUE);
	watches = NULL;
	g_queue_clear_full(&posts, g_free);
	requested = 0;
	exit_code = 0;
	pthread_mutex_unlock(&lock);
	if (wake_fd >= 0)
		close(wake_fd);
	wake_fd = -1;
	clock_forget();
}
