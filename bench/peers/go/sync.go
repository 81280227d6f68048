// SPDX-License-Identifier: MIT

package main

import (
	"container/heap"
	"runtime"
	"sync"
	"time"
)

// syncRows are the rows of synchronisation, and of other threads.
var syncRows = map[string]func() float64{
	"chan_pingpong":        chanPingpong,
	"chan_ring_1000":       func() float64 { return chanRing(1000) },
	"sem_handoff":          semHandoff,
	"mutex_uncontended":    mutexUncontended,
	"future_resolve_wait":  futureResolveWait,
	"wait_with_timeout":    waitWithTimeout,
	"group_1000":           func() float64 { return group(1000) },
	"select_4":             selectFour,
	"queue_priority":       queuePriority,
	"xthread_pingpong":     func() float64 { return xthread(now) },
	"xthread_pingpong_cpu": func() float64 { return xthread(cpu) },
	"offload_roundtrip":    offload,
	"file_read_4k_64":      func() float64 { return fileRead(now) },
	"spawn_process":        func() float64 { return spawnProcess(cpu) },
	"file_read_4k_64_cpu":  func() float64 { return fileRead(cpu) },
}

var begun = time.Now()

func now() int64 { return int64(time.Since(begun)) }

func echoes(there, back chan int64) {
	for {
		back <- <-there
	}
}

// pingpong sends total messages, half of them there and half of them back.
func pingpong(there, back chan int64, total int64, clock func() int64) float64 {
	start := clock()
	for i := int64(0); i < total/2; i++ {
		there <- i
		if <-back != i {
			panic("lost")
		}
	}
	return float64(clock()-start) / float64(total)
}

func chanPingpong() float64 {
	there, back := make(chan int64), make(chan int64)
	go echoes(there, back)
	return pingpong(there, back, scaled(4000000, 200000), cpu)
}

func chanRing(tasks int64) float64 {
	n := scaled(4000000, 200000)
	ring := make([]chan int64, tasks)
	for i := range ring {
		ring[i] = make(chan int64)
	}
	for i := int64(1); i < tasks; i++ {
		go func(from, to chan int64) {
			for {
				to <- <-from - 1
			}
		}(ring[i], ring[(i+1)%tasks])
	}
	runtime.Gosched()
	start := cpu()
	ring[1] <- n - 1
	for {
		left := <-ring[0]
		if left <= 0 {
			return float64(cpu()-start) / float64(n)
		}
		ring[1] <- left - 1
	}
}

// semHandoff: a semaphore is a channel with room for its permits.
func semHandoff() float64 {
	n := scaled(4000000, 200000)
	there, back := make(chan struct{}, 1), make(chan struct{}, 1)
	go func() {
		for {
			<-there
			back <- struct{}{}
		}
	}()
	start := cpu()
	for i := int64(0); i < n/2; i++ {
		there <- struct{}{}
		<-back
	}
	return float64(cpu()-start) / float64(n)
}

func mutexUncontended() float64 {
	n := scaled(50000000, 1000000)
	var mutex sync.Mutex
	start := cpu()
	for i := int64(0); i < n; i++ {
		mutex.Lock()
		mutex.Unlock()
	}
	return float64(cpu()-start) / float64(n)
}

// futureResolveWait: a future is a channel that one value goes through.
func futureResolveWait() float64 {
	n := scaled(2000000, 100000)
	requests := make(chan chan int64)
	go func() {
		for i := int64(0); ; i++ {
			(<-requests) <- i
		}
	}()
	start := cpu()
	for i := int64(0); i < n; i++ {
		future := make(chan int64, 1)
		requests <- future
		if <-future != i {
			panic("lost")
		}
	}
	return float64(cpu()-start) / float64(n)
}

// receive waits for a second at most. One timer that is set anew costs less
// than a context each.
func receive(from chan int64, timer *time.Timer) int64 {
	timer.Reset(time.Second)
	select {
	case value := <-from:
		timer.Stop()
		return value
	case <-timer.C:
		panic("late")
	}
}

func waitWithTimeout() float64 {
	n := scaled(2000000, 100000)
	there, back := make(chan int64), make(chan int64)
	timer := func() *time.Timer {
		timer := time.NewTimer(time.Hour)
		timer.Stop()
		return timer
	}
	go func() {
		mine := timer()
		for {
			back <- receive(there, mine)
		}
	}()
	mine := timer()
	start := cpu()
	for i := int64(0); i < n/2; i++ {
		there <- i
		if receive(back, mine) != i {
			panic("lost")
		}
	}
	return float64(cpu()-start) / float64(n)
}

func group(children int64) float64 {
	n := scaled(3000000, 200000)
	var all sync.WaitGroup
	start := cpu()
	for i := int64(0); i < n; i += children {
		for k := int64(0); k < children; k++ {
			all.Add(1)
			go all.Done()
		}
		all.Wait()
	}
	return float64(cpu()-start) / float64(n)
}

func selectFour() float64 {
	n := scaled(3000000, 200000)
	a, b := make(chan int64), make(chan int64)
	c, d := make(chan int64), make(chan int64)
	go func() {
		four := [4]chan int64{a, b, c, d}
		for i := int64(0); ; i++ {
			four[i%4] <- i
		}
	}()
	start := cpu()
	for i := int64(0); i < n; i++ {
		var got int64
		select {
		case got = <-a:
		case got = <-b:
		case got = <-c:
		case got = <-d:
		}
		if got != i {
			panic("lost")
		}
	}
	return float64(cpu()-start) / float64(n)
}

type element struct {
	priority int64
	value    *int
}

type elements []element

func (e elements) Len() int           { return len(e) }
func (e elements) Less(i, j int) bool { return e[i].priority < e[j].priority }
func (e elements) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }

// Push and Pop take pointers, so that nothing is allocated for an interface.
func (e *elements) Push(x any) { *e = append(*e, *x.(*element)) }
func (e *elements) Pop() any {
	last := len(*e) - 1
	(*e)[last], *e = element{}, (*e)[:last]
	return nil
}

const held = 1000

// steps are how much later an element comes back, see bench/queue.h.
func steps() []int64 {
	seed := uint32(12345)
	all := make([]int64, 4096)
	for i := range all {
		seed ^= seed << 13
		seed ^= seed >> 17
		seed ^= seed << 5
		all[i] = int64(seed % 1000000)
	}
	return all
}

// queuePriority: a heap of the standard library under a mutex.
func queuePriority() float64 {
	n := scaled(3000000, 200000)
	step := steps()
	var mutex sync.Mutex
	var queue elements
	put := func(x *element) {
		mutex.Lock()
		heap.Push(&queue, x)
		mutex.Unlock()
	}
	get := func() element {
		mutex.Lock()
		first := queue[0]
		heap.Pop(&queue)
		mutex.Unlock()
		return first
	}
	var x element
	for i := 0; i < held; i++ {
		x.priority = step[i]
		put(&x)
	}
	start := cpu()
	for i := int64(0); i < n; i++ {
		x = get()
		x.priority += step[i%4096]
		put(&x)
	}
	return float64(cpu()-start) / float64(n)
}

// xthread: two goroutines that are tied to their threads, on two processors.
func xthread(clock func() int64) float64 {
	n := scaled(100000, 10000)
	runtime.GOMAXPROCS(2)
	there, back := make(chan int64, 1), make(chan int64, 1)
	go func() {
		runtime.LockOSThread()
		echoes(there, back)
	}()
	runtime.LockOSThread()
	pingpong(there, back, n/5, clock)
	return pingpong(there, back, n, clock)
}

// offload: a goroutine that is tied to its thread takes the jobs.
func offload() float64 {
	n := scaled(50000, 5000)
	runtime.GOMAXPROCS(2)
	jobs, done := make(chan func(), 1), make(chan struct{}, 1)
	go func() {
		runtime.LockOSThread()
		for job := range jobs {
			job()
			done <- struct{}{}
		}
	}()
	var start int64
	for i := -n / 10; i < n; i++ {
		if i == 0 {
			start = now()
		}
		jobs <- func() {}
		<-done
	}
	return float64(now()-start) / float64(n)
}
